# What the user of a container has changed, and how that is laid again. Run by container.pl, as that user.
#
#   perl -e TEXT pack REFERENCE MOST_BYTES MOST_ENTRIES PLACE TEMPLATE...
#   perl -e TEXT lay FILE PLACE TEMPLATE...
#
# PLACEs are the folders that can be written, each with the folder it was filled from, which may be empty. What has a
# later change of status than REFERENCE was changed. A layer is written as entries, each a line
#   KIND MODE SECONDS LENGTH_OF_PATH LENGTH_OF_CONTENT
# with path and content after it, then `end 0 0 0 0`, or `much 0 0 0 0` where it is more than a layer may hold.
use strict;
use warnings;
use Fcntl ':mode';

my ($action, $first) = splice @ARGV, 0, 2;
my ($most_bytes, $most_entries) = $action eq 'pack' ? splice(@ARGV, 0, 2) : ();
my %template = @ARGV;
my ($count, $size) = (0, 0);

sub entry {
    my ($kind, $mode, $seconds, $path, $content) = @_;
    $size += length $content;
    if (++$count > $most_entries or $size > $most_bytes) { print "much 0 0 0 0\n"; exit }
    print join(' ', $kind, $mode, $seconds, length $path, length $content), "\n", $path, $content;
}

sub content {
    my ($path) = @_;
    local $/;
    my $mode = (lstat $path)[2] & 07777;
    chmod $mode | 0400, $path if !-r $path;
    open my $file, '<:raw', $path or return '';
    chmod $mode, $path if !($mode & 0400);
    return <$file> // '';
}

sub names {
    my ($folder) = @_;
    opendir my $entries, $folder or return;
    return grep { !/^\.\.?$/ } readdir $entries;
}

# Paths below a place that have changed since the reference, and are as `find` is told.
sub newer {
    my ($place, @which) = @_;
    open my $found, '-|', 'find', $place, '-xdev', '-cnewer', $first, @which, '-print0' or die "find: $!\n";
    local $/ = "\0";
    chomp(my @paths = <$found>);
    return @paths;
}

sub pack_place {
    my ($place, $before) = @_;
    # What is no part of a layer goes: another session may go on from an equal one.
    for my $path (newer($place, '-type', 'd', '-name', '__pycache__', '-prune')) {
        make_way($path) if !length $before or !-d $before . substr $path, length $place;
    }
    for my $path (newer($place, '-not', '-path', '*/__pycache__*')) {
        my @seen = lstat $path or next;
        my $earlier = $before . substr $path, length $place;
        my @earlier = length $before ? lstat $earlier : ();
        my $mode = $seen[2] & 07777;
        if (S_ISDIR($seen[2])) {
            my $was = @earlier && S_ISDIR($earlier[2]);
            next if $path ne $place and exists $template{$path};
            entry(@earlier && !$was ? 'replaced' : 'folder', $mode, 0, $path, '')
                if $path ne $place and (!$was or $mode != ($earlier[2] & 07777));
            my %now = map { $_ => 1 } names($path);
            entry('gone', 0, 0, "$path/$_", '') for grep { !$now{$_} && $_ ne '__pycache__' } $was ? names($earlier) : ();
        }
        elsif (S_ISLNK($seen[2])) {
            my $target = readlink $path;
            next if @earlier and S_ISLNK($earlier[2]) and readlink($earlier) eq $target;
            entry('link', 0, 0, $path, $target);
        }
        elsif (S_ISREG($seen[2])) {
            if ($seen[7] > $most_bytes) { print "much 0 0 0 0\n"; exit }
            my $content = content($path);
            next if @earlier and $earlier[2] == $seen[2] and $earlier[7] == $seen[7] and content($earlier) eq $content;
            entry('file', $mode, $seen[9], $path, $content);
        }
        else { unlink $path }
    }
}

sub make_way {
    my ($path) = @_;
    return if !-l $path and !-e $path;
    system 'chmod', '-R', 'u+rwX', '--', $path if -d $path and !-l $path;
    system('rm', '-rf', '--', $path) == 0 or die "$path cannot be removed\n";
}

sub lay {
    open my $layer, '<:raw', $first or die "$first: $!\n";
    while (defined(my $head = <$layer>)) {
        my ($kind, $mode, $seconds, $of_path, $of_content) = split ' ', $head;
        last if $kind eq 'end';
        my ($path, $content) = ('', '');
        read $layer, $path, $of_path;
        read $layer, $content, $of_content if $of_content;
        grep { index($path, "$_/") == 0 } keys %template or die "$path cannot be written\n";
        make_way($path) unless $kind eq 'folder' and -d $path and !-l $path;
        next if $kind eq 'gone';
        my $above = '';
        for (split m{/}, $path =~ s{/[^/]+$}{}r) { next if !length; $above .= "/$_"; mkdir $above if !-d $above }
        if ($kind eq 'link') { symlink $content, $path or die "$path: $!\n" }
        elsif ($kind eq 'file') {
            open my $file, '>:raw', $path or die "$path: $!\n";
            print $file $content or die "$path: $!\n";
            close $file or die "$path: $!\n";
            chmod $mode, $path;
            utime $seconds, $seconds, $path;
        }
        else {
            -d $path or mkdir $path or die "$path: $!\n";
            chmod $mode, $path;
        }
    }
}

binmode STDOUT;
if ($action eq 'lay') { lay() }
else {
    # Without these the next command could not begin.
    chmod +((lstat)[2] & 07777) | 0700, $_ for keys %template;
    pack_place($_, $template{$_}) for sort keys %template;
    print "end 0 0 0 0\n";
}
