#!/bin/sh
# What hubs call where they do not take the image's own command, under the names that other images have for it.
exec start-notebook.sh hub "$@"
