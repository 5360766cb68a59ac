#!/usr/bin/env bash
# as-owner.sh COMMAND...: root becomes whoever owns the notebooks, or NB_UID and NB_GID, for good: without a
# capability, and without a way to one. So nobody who starts Compose has to say who owns the folder.
set -euo pipefail
((EUID == 0)) || exec "$@"
die() { echo "start.sh: $*" >&2 && exit 1; }

read -r uid gid < <(stat -c '%u %g' "$FMNIST_WORK_DIR") ||
    die "nobody but its owner can look into /home/jovyan: docker compose down --volumes has Docker make it anew"
uid=${NB_UID:-$uid} gid=${NB_GID:-$gid}
[[ $uid:$gid =~ ^[0-9]+:[0-9]+$ ]] || die "NB_UID=$uid, NB_GID=$gid: both are numbers, which id -u and id -g print"
# Group 100 may write where an earlier image made the volume `home`.
exec setpriv --reuid "$uid" --regid "$gid" --groups 100 \
    --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- "$@"
