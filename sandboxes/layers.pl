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

my ($action, $first) = splice @ARGV, 0, 2;
my ($most_bytes, $most_entries) = $action eq 'pack' ? splice(@ARGV, 0, 2) : ();
my %template = @ARGV;
my ($count, $size) = (0, 0);

sub is_folder { return ($_[0] & 0170000) == 0040000 }
sub is_link { return ($_[0] & 0170000) == 0120000 }
sub is_file { return ($_[0] & 0170000) == 0100000 }

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

# Paths that have changed since the reference.
sub newer {
    my @places = @_;
    open my $found, '-|', 'find', @places, '-xdev', '-cnewer', $first, '-print0' or die "find: $!\n";
    local $/ = "\0";
    chomp(my @paths = <$found>);
    my %once = map { $_ => 1 } @paths;    # a place within another is found twice
    return sort keys %once;
}

# Where a path was filled from; empty if nowhere. A place within another may be a part of that one's template.
sub earlier {
    my ($path) = @_;
    for (my $place = $path; length $place; $place =~ s{/[^/]*$}{}) {
        return $template{$place} . substr $path, length $place if length($template{$place} // '');
    }
    return '';
}

sub pack_changes {
    my @paths = newer(sort keys %template);
    # What is no part of a layer goes: another session may go on from an equal one.
    for my $path (grep { m{/__pycache__$} && -d && !-l } @paths) {
        my $earlier = earlier($path);
        make_way($path) if !length $earlier or !-d $earlier;
    }
    for my $path (grep { !m{/__pycache__} } @paths) {
        my @seen = lstat $path or next;
        my $earlier = earlier($path);
        my @earlier = length $earlier ? lstat $earlier : ();
        my $mode = $seen[2] & 07777;
        if (is_folder($seen[2])) {
            my $was = @earlier && is_folder($earlier[2]);
            entry(@earlier && !$was ? 'replaced' : 'folder', $mode, 0, $path, '')
                if !exists $template{$path} and (!$was or $mode != ($earlier[2] & 07777));
            my %now = map { $_ => 1 } names($path);
            entry('gone', 0, 0, "$path/$_", '') for grep { !$now{$_} && $_ ne '__pycache__' } $was ? names($earlier) : ();
        }
        elsif (is_link($seen[2])) {
            my $target = readlink $path;
            next if @earlier and is_link($earlier[2]) and readlink($earlier) eq $target;
            entry('link', 0, 0, $path, $target);
        }
        elsif (is_file($seen[2])) {
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
    pack_changes();
    print "end 0 0 0 0\n";
}
