# shellcheck shell=bash
# fai.sh NAME CLASS: makes /job/NAME.raw from /job/tree.tar by the configuration space in /guests/fai.
name=$1 class=$2
ln -s /proc/self/fd /dev/fd
cp -a /guests/fai /tmp/space
mkdir -p /tmp/space/basefiles /tmp/out /tmp/log
ln -s /job/tree.tar "/tmp/space/basefiles/$class.tar"
fai-diskimage --verbose --hostname "$name" --size 2G --cspace file:///tmp/space --class "$class" "/tmp/out/$name.raw"
cp --sparse=always "/tmp/out/$name.raw" /job/
