#!/usr/bin/env bash
# Docker's Compose, as the README names it, its buildx, and a registry: what of these this machine has not is unpacked
# in target/image-test/docker, a folder for `docker --config`. They are Debian 13's, as Debian 12 has only the first
# Compose and no buildx. An installed registry would be started, for everybody to reach.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../../.."
tools=$PWD/target/image-test/docker
export DOCKER_CONFIG=$tools PATH=$PATH:$tools/usr/bin

missing=()
docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
docker buildx version >/dev/null 2>&1 || missing+=(docker-buildx)
command -v docker-registry >/dev/null || missing+=(docker-registry)
((${#missing[@]})) || exit 0

mkdir -p "$tools"/{lists,cache,usr/libexec/docker/cli-plugins}
ln -sfn usr/libexec/docker/cli-plugins "$tools/cli-plugins"
echo "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    http://deb.debian.org/debian trixie main >"$tools/debian-13.list"
apt=(apt-get -q -o "Dir::Etc::SourceList=$tools/debian-13.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$tools/lists"
    -o "Dir::Cache=$tools/cache")
"${apt[@]}" update
(cd "$tools/cache" && rm -f -- *.deb && "${apt[@]}" download "${missing[@]}")
for package in "${missing[@]}"; do
    dpkg-deb --extract "$tools/cache/$package"_*.deb "$tools"
done
