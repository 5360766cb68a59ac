"""The list of files, without what serves the notebooks."""

from pathlib import Path

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

MACHINERY = {"kernel", "hub", "start.sh"}


class Contents(AsyncLargeFileManager):
    """Files as Jupyter has them."""

    async def get(self, path, *arguments, **options):
        model = await super().get(path, *arguments, **options)
        if model["type"] == "directory" and model["content"] and not path.strip("/") and self.has_machinery():
            model["content"] = [one for one in model["content"] if one["name"] not in MACHINERY]
        return model

    def has_machinery(self):
        """Whether the folder is this project's: somebody else's `kernel` is none of our business."""
        return Path(self.root_dir, "kernel", "relay.py").exists()
