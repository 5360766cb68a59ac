"""What a kernel's rust-analyzer gets in the place of `cargo metadata`: the same, with less to say.

evcxr has rust-analyzer infer the types of variables. It asks cargo for all packages that a notebook
depends on, reads all their sources and resolves all names in them before the first cell can run: with
the more than a hundred behind Candle, many seconds. A notebook names only few of them.
So those that fmnist-lib keeps to itself are left out here; its Cargo.toml lists the others, under
`package.metadata.notebook`. What compiles the cells is the real cargo, with every package.
"""

import json
import os
import subprocess
import sys

CARGO = os.environ["FMNIST_CARGO"]


def main():
    arguments = sys.argv[1:]
    if manifest(arguments).endswith("/library/Cargo.toml"):
        # Without it, rust-analyzer takes the standard library's crates as it finds them; with it, it
        # would want what they depend on, from the network.
        sys.exit("error: the standard library's own dependencies are not needed")
    result = subprocess.run([CARGO, *arguments], stdout=subprocess.PIPE, check=False)
    if result.returncode == 0:
        print(json.dumps(pruned(json.loads(result.stdout))))
    sys.exit(result.returncode)


def manifest(arguments):
    return arguments[arguments.index("--manifest-path") + 1] if "--manifest-path" in arguments else ""


def pruned(metadata):
    """The metadata without the packages that are only there for a library's private use."""
    packages = {package["id"]: package for package in metadata["packages"]}
    visible = {}  # by package id: the names of those dependencies that are kept
    for package in packages.values():
        names = ((package["metadata"] or {}).get("notebook") or {}).get("visible-dependencies")
        if names:
            family = {package["name"], *names}
            visible |= {one["id"]: family for one in packages.values() if one["name"] in family}
    if not visible or not metadata["resolve"]:
        return metadata

    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    for node in nodes.values():
        names = visible.get(node["id"])
        if names:
            node["deps"] = [one for one in node["deps"] if packages[one["pkg"]]["name"] in names]
            node["dependencies"] = [one["pkg"] for one in node["deps"]]
    reached = set()
    waiting = [id for id in metadata["workspace_members"] if packages[id]["name"] != "pin"]
    while waiting:
        id = waiting.pop()
        if id not in reached:
            reached.add(id)
            waiting += nodes[id]["dependencies"]
    metadata["packages"] = [package for package in packages.values() if package["id"] in reached]
    metadata["resolve"]["nodes"] = [node for node in nodes.values() if node["id"] in reached]
    metadata["workspace_members"] = [id for id in metadata["workspace_members"] if id in reached]
    metadata["workspace_default_members"] = metadata["workspace_members"]
    return metadata


if __name__ == "__main__":
    main()
