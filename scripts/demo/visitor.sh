#!/bin/sh
# A shell script on the bus: it subscribes, asks, publishes and asks again. What it learns goes to stdout, one
# JSON value a line. MAILSLOT_BUS and MAILSLOT_DIR say which bus; the argument is the number of a line.
set -eu

mailslot() { "$MAILSLOT_NODE" "$MAILSLOT_CLI" "$@"; }
# A command that is not a host itself fails while nobody hosts; here that is over in a moment.
again() { until mailslot "$@" 2> /dev/null; do :; done; }

# Every question is announced on demo.asked. Nobody tells us when the subscriber in the background is there, so
# we ask until it has seen three announcements.
mailslot subscribe demo.asked --count 3 --timeout 20000 &
subscriber=$!
while kill -0 "$subscriber" 2> /dev/null; do
  mailslot query demo.stats > /dev/null 2>&1 || :
done
wait "$subscriber"

again publish demo.guestbook --text 'a shell script was here' --confirm
again query demo.line-at "$1" --timeout 20000
