# Makes an image ready to be run read-only: keeps what scripts may write, the repository without its history among it,
# as folders below TEMPLATE that process 1 of each container fills its scratch folders from.
#
#   sh -c TEXT prepare TEMPLATE REPOSITORY USER HOME HOME_MB SCRUB VERIFY CONTAINER INSIDE LAYERS VOLUME...
#
# SCRUB and VERIFY are the texts of history.py, CONTAINER, INSIDE and LAYERS those of the programs in Perl. VOLUMEs are folders that the image declares to be such.
# Runs as root in a container without a network, on files that are not trusted. It says on its last line
#   codemonkeys: ready UID:GID:GROUPS MEBIBYTES kept|read-only HOME
# A home folder of more than HOME_MB stays as it is, read-only.
set -eu
template=$1 repository=$2 user=$3 home=$4 most=$5 scrub=$6 verify=$7
container=$8 inside=$9 layers=${10}
shift 10
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

fail() { echo "$*"; exit 1; }
for tool in git perl bash /usr/bin/setpriv find; do
    command -v "$tool" >/dev/null || fail "the image has no $tool, which every sandbox needs"
done
[ -d "$repository" ] || fail "the image has no repository at $repository"

# Who runs scripts, and where that user is at home.
account=$(perl -e '
    my ($name, $group) = split /:/, $ARGV[0] || "0";
    my @user = $name =~ /^\d+$/ ? getpwuid $name : getpwnam $name or $name =~ /^\d+$/ or die "no user $name\n";
    my ($uid, $gid) = ($user[2] // $name, $user[3] // 0);
    $gid = $group =~ /^\d+$/ ? $group : getgrnam($group) // die "no group $group\n" if length($group // "");
    my %groups = ($gid => 1);
    while (my @group = getgrent) { $groups{$group[2]} = 1 if grep { $_ eq ($user[0] // "") } split / /, $group[3] }
    print "$uid:$gid:", join(",", sort keys %groups), " ", $user[7] || "/", "\n";
' "$user") || fail "the user '$user' of the image is unknown in it"
[ -n "$home" ] || home=${account#* }
account=${account% *}

(cd "$repository" && sh -c "$scrub") || fail "the repository $repository could not be freed of its history"
mkdir -p "$template"
cp -a "$repository" "$template/0"
kept=read-only
if [ -d "$home" ] && [ "$home" != / ] && [ "$(du -smx "$home" | cut -f 1)" -le "$most" ]; then
    cp -a "$home" "$template/1"
    kept=kept
fi
number=2
for volume; do
    mkdir "$template/$number"
    [ ! -d "$volume" ] || cp -a "$volume/." "$template/$number"
    number=$((number + 1))
done
# A user without privileges is to copy all of it.
chown -R "${account%:*}" "$template"/*
chmod -R u+rwX "$template"/*
chmod a+rx "$template/0"
(cd "$template/0" && sh -c "$verify") || fail "the copy of $repository is not as it was"
size=$(du -smx "$template" | cut -f 1)
# Unpacking one file is several times as fast as copying many from an image.
for folder in "$template"/*; do
    tar -C "$folder" --format=posix --pax-option=delete=atime,delete=ctime -cf "$folder.tar" . || rm -f "$folder.tar"
done
printf %s "$container" >"$template/container.pl"
printf %s "$inside" >"$template/inside.pl"
printf %s "$layers" >"$template/layers.pl"
chmod a+r "$template"/*.*
# What lies under a scratch folder nobody ever sees: neither is it to be in the image.
find "$repository" -mindepth 1 -delete
echo "codemonkeys: ready $account $size $kept $home"
