"""A registry on this machine, and images in it as BuildKit publishes them: for each processor one, without a name, and
with its documents."""

import hashlib
import json
import os
import subprocess
import time

import requests
from conftest import TOOLS, command, free_port

OF_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OF_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OF_SEVERAL = "application/vnd.oci.image.index.v1+json"
DOCUMENTS = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"]


class Registry:
    """Docker trusts the ones of its own machine, without a certificate."""

    def __init__(self, folder):
        self.address = f"127.0.0.1:{free_port()}"
        settings = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}},
                    "http": {"addr": self.address}}
        (folder / "registry.yml").write_text(json.dumps(settings))
        with (folder / "registry.log").open("w") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", folder / "registry.yml"], stdout=log, stderr=log,
                env=os.environ | {"PATH": f"{os.environ['PATH']}:{TOOLS}/usr/bin"})
        deadline = time.monotonic() + 60
        while not self.answers():
            assert time.monotonic() < deadline, (folder / "registry.log").read_text()
            time.sleep(0.1)

    def answers(self):
        try:
            return requests.get(f"http://{self.address}/v2/", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)

    def publish(self, name, image, processor, documents=DOCUMENTS):
        """Puts in what the engine knows as `image`, said to be for a processor; returns the digest of image and documents."""
        pushed = f"{self.address}/{name}:pushed"
        command("docker", "tag", image, pushed)
        command("docker", "push", pushed)
        command("docker", "rmi", pushed)
        manifest = self.get(name, "manifests/pushed").json()
        settings = self.get(name, f"blobs/{manifest['config']['digest']}").json() | {"architecture": processor}
        manifest["config"] = {"mediaType": manifest["config"]["mediaType"]} | self.put_blob(name, settings)
        found = self.put(name, manifest["mediaType"], manifest) | {"platform": {"os": "linux", "architecture": processor}}
        layers = [{"mediaType": "application/vnd.in-toto+json", "annotations": {"in-toto.io/predicate-type": kind}}
                  | self.put_blob(name, {"predicateType": kind}) for kind in documents]
        unknown = {"os": "unknown", "architecture": "unknown"}
        config = {"mediaType": "application/vnd.oci.image.config.v1+json"} | self.put_blob(name, unknown)
        beside = self.put(name, OF_IMAGE, {"schemaVersion": 2, "mediaType": OF_IMAGE, "config": config, "layers": layers})
        beside |= {"platform": unknown, "annotations": {
            "vnd.docker.reference.digest": found["digest"], "vnd.docker.reference.type": "attestation-manifest"}}
        whole = {"schemaVersion": 2, "mediaType": OF_SEVERAL, "manifests": [found, beside]}
        return self.put(name, OF_SEVERAL, whole)["digest"]

    def get(self, name, path):
        response = requests.get(f"http://{self.address}/v2/{name}/{path}", timeout=60,
                                headers={"Accept": ", ".join([OF_DOCKER, OF_IMAGE, OF_SEVERAL])})
        response.raise_for_status()
        return response

    def put(self, name, kind, manifest):
        content, descriptor = described(manifest)
        path = f"http://{self.address}/v2/{name}/manifests/{descriptor['digest']}"
        requests.put(path, content, headers={"Content-Type": kind}, timeout=60).raise_for_status()
        return {"mediaType": kind} | descriptor

    def put_blob(self, name, document):
        content, descriptor = described(document)
        begun = requests.post(f"http://{self.address}/v2/{name}/blobs/uploads/", timeout=60)
        begun.raise_for_status()
        requests.put(begun.headers["Location"], content, params={"digest": descriptor["digest"]},
                     headers={"Content-Type": "application/octet-stream"}, timeout=60).raise_for_status()
        return descriptor


def described(document):
    content = json.dumps(document).encode()
    return content, {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}
