#!/usr/bin/env bash
# Builds the image and tests it for real: Docker Compose, the server's own API, a browser, a registry. Needs
# root (to cut the container's network), a Docker engine, chromium and python3. FMNIST_IMAGE names the image
# (fmnist-notebooks); NAME@DIGEST is not built, but pulled. Options go to pytest: run.sh -k security
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cd "$here/../../.."

docker info >/dev/null 2>&1 ||
    { echo "image tests: no Docker engine answers here; install one (apt-get install docker.io) and start it" && exit 1; }
export FMNIST_IMAGE=${FMNIST_IMAGE:-fmnist-notebooks}
# Debian's docker.io comes without the newer builder.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
started=$SECONDS
if [[ $FMNIST_IMAGE == *@* ]]; then
    docker pull --quiet "$FMNIST_IMAGE"
else
    # Classic builds need no network of their own to reach what the host reaches.
    docker build --network host -t "$FMNIST_IMAGE" .
    echo "image tests: built in $((SECONDS - started)) s"
fi
docker build --quiet --network host --target hub -t "${FMNIST_IMAGE%@*}-hub" .
docker image inspect -f 'image tests: {{.Size}} bytes' "$FMNIST_IMAGE"

venv=target/image-test/venv
[[ -x $venv/bin/pytest ]] || python3 -m venv "$venv"
"$venv/bin/pip" install -q -r "$here/requirements.txt"
# Ubuntu has Chromium as a snap only.
command -v chromium >/dev/null || "$venv/bin/playwright" install --with-deps chromium
"$here/tools.sh"
notebooks/start.sh setup # one of the tests starts without Docker: it should not wait for a compiler
# A kernel that never answers fails its test.
exec "$venv/bin/pytest" --timeout 600 --durations 20 -p no:cacheprovider -ra "$here" "$@"
