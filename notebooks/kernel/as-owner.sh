#!/usr/bin/env bash
# as-owner.sh COMMAND...: root becomes whoever owns the notebooks, or NB_UID and NB_GID, for good: without a
# capability, and without a way to one. So nobody who starts Compose has to say who owns the folder.
set -euo pipefail
((EUID == 0)) || exec "$@"
read -r uid gid < <(stat -c '%u %g' "$FMNIST_WORK_DIR")
# Group 100 may write where an earlier image made the volume `home`.
exec setpriv --reuid "${NB_UID:-$uid}" --regid "${NB_GID:-$gid}" --groups 100 \
    --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- "$@"
