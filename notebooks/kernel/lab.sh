#!/bin/sh
# JupyterLab under the names by which other programs start it. Binder does, with an address and a token, inside of a hub
# that does not know who its users are.
exec start-notebook.sh lab "$@"
