# Process 1 of a sandbox, the same for every kind: applies the patch, runs the script, and says how it ended. When this
# process ends, the kernel ends every other one in the sandbox.
#
#   perl -e TEXT REPOSITORY PATCH SECONDS OUTPUT_BYTES PROCESSES MEMORY SOCKET ACTIVATE [PREFIX...] -- COMMAND...
#
# Standard output carries what the script wrote; standard error, which the script does not inherit, says
# `codemonkeys: begun` when the script starts, and ends with the line
#   codemonkeys: HOW NUMBER SECONDS OOM_KILLS [lost]
# PROCESSES, if not 0, is how many there may be, and MEMORY how many KiB they may use, each socket counted as SOCKET KiB;
# both are for where the kernel does not count for us.
# HOW is exited, killed, timed-out, out-of-memory, output-limit or patch-failed and NUMBER the exit code or signal. `lost`: some of the
# output could not be passed on.
#
# Perl, because only a raw wait status tells a signal from an exit code beyond 128, and because every Debian has it. No
# modules: loading POSIX takes longer than all that is done here.
use strict;
use warnings;
use filetest 'access';

use constant { EINTR => 4, WNOHANG => 1, SIGKILL => 9, F_GETPIPE_SZ => 1032, TERMINALS => 64 };

my ($repository, $patch, $seconds, $limit, $processes, $memory, $socket, $activate) = splice @ARGV, 0, 8;
my @prefix;
while (@ARGV and (my $word = shift) ne '--') { push @prefix, $word }
# Whoever evaluates this text may have a function that drops privileges, which is faster than a command before each.
my @drop = @prefix || !defined &main::drop_privileges ? () : \&main::drop_privileges;

# Seconds on a clock that nobody sets. (Time::HiRes is not part of a minimal Perl.)
sub now {
    open my $uptime, '<', '/proc/uptime' or die "/proc/uptime: $!\n";
    return (split ' ', <$uptime>)[0];
}

my $started = now();

sub oom_kills {
    for my $file ('/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control') {
        open my $lines, '<', $file or next;
        while (<$lines>) { return $1 if /^oom_kill (\d+)/ }
    }
    return 0;
}

# Others may have been killed before, where the control group is not of this run alone.
my $killed_before = oom_kills();

sub finish {
    my ($how, $number, $lost) = @_;
    my $end = $lost ? ' lost' : '';
    syswrite STDERR, sprintf "\ncodemonkeys: %s %d %.4f %d%s\n", $how, $number, now() - $started, oom_kills() - $killed_before, $end;
    exit 0;
}

sub write_all {
    my ($bytes) = @_;
    while (length $bytes) {
        my $written = syswrite STDOUT, $bytes;
        if (defined $written) { substr $bytes, 0, $written, '' }
        elsif ($! != EINTR) { return }
    }
}

# Starts a command with its standard output and error in one pipe; returns its pid and the end to read from.
sub start {
    my @command = @_;
    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    return $pid, $read if $pid;
    $SIG{CHLD} = 'DEFAULT';
    # Where memory runs out, the script goes first and this process lives to tell.
    if (open my $score, '>', '/proc/self/oom_score_adj') { syswrite $score, '1000' }
    open STDIN, '<', '/dev/null';
    open STDOUT, '>&', $write;
    open STDERR, '>&', $write;
    $_->() or die "privileges could not be dropped\n" for @drop;
    exec { $command[0] } @command or syswrite STDERR, "cannot start $command[0]: $!\n";
    exit 127;
}

# What a file of the kernel has after a word, in KiB or pieces; 0 if it has no such line, or cannot be read.
sub number_in {
    my ($path, $word) = @_;
    open my $lines, '<', $path or return 0;
    while (defined(my $line = <$lines>)) { return $1 if $line =~ /^$word\s+(\d+)/ }
    return 0;
}

# KiB in use by all processes but this one, and by buffers of sockets at their largest.
sub memory_used {
    my $sockets = number_in('/proc/net/sockstat', 'sockets: used') * $socket;
    my %resident = map { $_ => number_in("$_/status", 'VmRSS:') } grep { $_ ne '/proc/1' } glob '/proc/[0-9]*';
    my ($rough, $precise) = ($sockets, $sockets);
    $rough += $_ for values %resident;
    return $rough if $rough <= $memory;
    # Pages that several processes share are counted once; the kernel takes longer to say.
    # A process that ends meanwhile has neither.
    $precise += number_in("$_/smaps_rollup", 'Pss:') || number_in("$_/status", 'VmRSS:') for keys %resident;
    return $precise;
}

chdir $repository or die "no repository at $repository: $!\n";
# Without capabilities not even root may write what belongs to another user; it may be who the script will run as.
-w $repository or @drop or grep { /^--reuid=/ } @prefix or die "user $> may not write the repository $repository: $!\n";

if (length $patch) {
    # From the folder above, so that git finds no repository and obeys neither its configuration nor its hooks.
    my ($above, $name) = $repository =~ m{^(.*)/([^/]+)/*$};
    local %ENV = (
        PATH => '/usr/local/bin:/usr/bin:/bin', HOME => '/nonexistent', LANG => 'C.UTF-8',
        GIT_CONFIG_NOSYSTEM => 1, GIT_CONFIG_GLOBAL => '/dev/null', GIT_CEILING_DIRECTORIES => $above || '/',
    );
    chdir($above || '/') or die "$above: $!\n";
    my ($pid, $read) = start(@prefix, 'git', '-c', 'core.autocrlf=false', 'apply', '--whitespace=nowarn',
        "--directory=$name", $patch);
    my $said = do { local $/; <$read> };
    waitpid $pid, 0;
    if ($?) {
        write_all(substr $said, 0, $limit);
        finish('patch-failed', 0);
    }
    chdir $repository or die "the patch took away $repository: $!\n";
}

$started = now();
syswrite STDERR, "codemonkeys: begun\n";
sub is_over { return now() - $started >= $seconds }
# A script may send this signal too: the clock decides.
$SIG{ALRM} = sub { finish('timed-out', 0, 'lost') if is_over() };
# A child may end just before select, which would not see the signal: it sees what is written here.
pipe my $ended, my $say or die "pipe: $!\n";
$SIG{CHLD} = sub { syswrite $say, '.' };
my ($pid, $read) = start(@prefix, 'bash', '-c', "$activate\nexec \"\$@\"", 'script', @ARGV);
alarm int($seconds) + 2;    # for when nobody reads our output; otherwise the loop below sees the time

my ($status, $open, $left) = (undef, 1, $limit);

# Waits a while for the script to write or a child to end; whether the script wrote.
sub holds {
    my ($while) = @_;
    my $ready = '';
    vec($ready, fileno $_, 1) = 1 for $open ? ($read, $ended) : $ended;
    select($ready, undef, undef, $while) > 0 or return 0;
    sysread $ended, my $signals, 4096 if vec $ready, fileno $ended, 1;
    return $open && vec $ready, fileno $read, 1;
}

# Passes on what the pipe holds, at most `room` bytes of it.
sub pass_on {
    my ($room) = @_;
    while ($room > 0 and holds(0)) {
        my $count = sysread $read, my $bytes, 65536;
        next if not defined $count;
        if ($count == 0) { $open = 0; return }
        write_all(substr $bytes, 0, $left);
        finish('output-limit', 0) if $count > $left;
        $left -= $count;
        $room -= $count;
    }
}

# Ends, after passing on what the script has left in the pipe: no more, as other processes may go on writing to it.
sub end {
    my @how = @_;
    pass_on(fcntl($read, F_GETPIPE_SZ, 0) || 1 << 20) if $open;
    finish(@how);
}

until (defined $status) {
    while ((my $child = waitpid -1, WNOHANG) > 0) {
        $status = $? if $child == $pid;
    }
    end('timed-out', 0) if is_over();
    last if defined $status;
    end('killed', SIGKILL) if $processes and (() = glob '/proc/[0-9]*') > $processes;
    end('killed', SIGKILL) if (() = glob '/dev/pts/[0-9]*') > TERMINALS;
    end('out-of-memory', 0) if $memory and memory_used() > $memory;
    pass_on(65536) if holds(0.05);
}
end($status & 127 ? ('killed', $status & 127) : ('exited', $status >> 8));
