#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the sample configuration unless there is a configuration already: an update must not undo what an operator wrote.
# usage: install_sample.sh SAMPLE DIRECTORY   (DESTDIR is respected)
set -eu
directory=${DESTDIR:-}$2
mkdir -p "$directory"
if [ -e "$directory/gnomond.toml" ]; then
  echo "keeping the present $directory/gnomond.toml"
else
  install -m 0644 "$1" "$directory/gnomond.toml"
fi
