#!/usr/bin/perl
# A clerk's day in LedgerSMB, through the pages and forms that her browser uses; prints TAP.
#
#     clerk.pl before URL           enters a customer, imports invoices and posts them
#     clerk.pl after URL            finds the first, number $invoice, again, posts others, and balances the books
#
# Debian's package has no single-invoice form (the scripts of old/bin are not in it); invoices come in by the batch import.
use strict;
use warnings;
use HTTP::Tiny;
use List::Util qw(sum0);
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);

my ($phase, $url) = @ARGV;
my $kept = $ENV{invoice} // '';
my $http = HTTP::Tiny->new(timeout => 240);
my (%headers, $count, $failed);

# Half a cent is rounded up where an amount is shown, and the books keep the exact amount: totals are rounded once.
my @amounts = ('1234.125', '0.375', '0.625');
my @shown = ('1234.13', '0.38', '0.63');
my $total = '1235.13';

# --- results, as they come

sub ok {
    my ($passed, $name, $reason) = @_;
    $count++;
    $failed++ unless $passed;
    print(($passed ? 'ok' : 'not ok') . " $count - $name\n");
    print map { "# $_\n" } split /\n/, $reason if !$passed && defined $reason;
    return $passed;
}

sub is {
    my ($got, $expected, $name) = @_;
    return ok($got eq $expected, $name, "got `$got`, expected `$expected`");
}

sub finish {
    print "1..$count\n";
    exit($failed ? 1 : 0);
}

# --- a browser

sub answer {
    my ($reply, $what) = @_;
    return $reply->{content} if $reply->{success};
    my ($why) = $reply->{content} =~ m{<b>(.{1,300}?)</?b}s;
    ok(0, $what, "HTTP status $reply->{status}: " . ($why // substr $reply->{content}, 0, 300));
    finish();
}

sub page {
    my ($path, @query) = @_;
    my $query = $http->www_form_urlencode(\@query);
    return answer($http->get("$url$path?$query", { headers => \%headers }), "$path answers");
}

# The fields of the form of a page that has a field or button of that name, as a browser would send them.
sub fields {
    my ($html, $having) = @_;
    for my $form ($html =~ m{<form\b(.*?)</form>}gs) {
        next unless $form =~ m{name="\Q$having\E"};
        my %fields;
        for my $input ($form =~ m{<input\b([^>]*)>}g) {
            my %at = $input =~ m{([\w-]+)="([^"]*)"}g;
            next unless defined $at{name};
            next if ($at{type} // '') =~ /^(?:radio|checkbox)$/ && !exists $at{checked};
            $fields{$at{name}} = $at{value} // '';
        }
        while ($form =~ m{<select\b([^>]*)>(.*?)</select>}gs) {
            my ($select, $options) = ($1, $2);
            my ($name) = $select =~ m{name="([^"]*)"} or next;
            my ($chosen) = $options =~ m{(<option[^>]*selected[^>]*>)};
            $fields{$name} = ($chosen // '') =~ m{value="([^"]*)"} ? $1 : '';
        }
        return \%fields;
    }
    ok(0, "the page has a form with $having", substr $html, 0, 500);
    finish();
}

sub submit {
    my ($path, $fields, %changed) = @_;
    my $form = $http->www_form_urlencode({ %$fields, %changed });
    my %type = ('content-type' => 'application/x-www-form-urlencoded');
    return answer($http->post("$url$path", { headers => { %headers, %type }, content => $form }),
        "$path takes $changed{action}");
}

# A form with a file, as multipart/form-data (RFC 7578).
sub upload {
    my ($path, $fields, $name, $file, $content) = @_;
    my $mark = 'patchgate-clerk';
    my $body = join '', map { qq(--$mark\r\nContent-Disposition: form-data; name="$_"\r\n\r\n$fields->{$_}\r\n) }
        sort keys %$fields;
    $body .= qq(--$mark\r\nContent-Disposition: form-data; name="$name"; filename="$file"\r\n)
        . qq(Content-Type: text/csv\r\n\r\n$content\r\n--$mark--\r\n);
    my %type = ('content-type' => "multipart/form-data; boundary=$mark");
    return answer($http->post("$url$path", { headers => { %headers, %type }, content => $body }),
        "$path takes $file");
}

# A report as a table of comma-separated values: its rows, by the names in its first line.
sub report {
    my ($path, @query) = @_;
    my @lines = grep { /\S/ } split /\r?\n/, page($path, @query, format => 'CSV');
    my @rows = map { my $line = $_; [map { s/^"|"$//gr } $line =~ m{("(?:[^"]|"")*"|[^,]*)(?:,|$)}g] } @lines;
    my $names = shift @rows // [];
    return map { my $row = $_; +{ map { $names->[$_] => $row->[$_] // '' } 0 .. $#$names } } @rows;
}

# --- what the clerk does

sub login {
    my ($password) = @_;
    my $authorization = 'Basic ' . encode_base64("clerk:$password", '');
    my $deadline = time + 60;
    my $reply;
    while (1) {
        $reply = $http->get("${url}login.pl?action=authenticate&company=books",
            { headers => { authorization => $authorization } });
        # The server may still be starting: only a first connection is waited for.
        last if $reply->{status} != 502 || time > $deadline;
        sleep 3;
    }
    my $cookie = $reply->{headers}{'set-cookie'} // '';
    $cookie =~ s/;.*//s;
    %headers = (authorization => $authorization, cookie => $cookie);
    return $reply;
}

sub log_in {
    is(login('not-the-password')->{status}, 401, 'a wrong password is refused');
    my $reply = login('clerk-of-the-lab');
    my $menu = $http->get("${url}menu.pl?action=menuitems_json", { headers => \%headers });
    ok($reply->{success} && $menu->{success} && $menu->{content} =~ /General Journal/, 'the clerk logs in and has her menu',
        "login: HTTP status $reply->{status}; menu: $menu->{status}") or finish();
}

# A customer's card with a credit account of that number.
sub customer {
    my ($name, $number) = @_;
    my $card = page('contact.pl', action => 'add', account_class => 2);
    my ($country) = $card =~ m{value="(\d+)"[^>]*>Germany<};
    my $form = fields($card, 'legal_name');
    $card = submit('contact.pl', $form, action => 'save_company', legal_name => $name, entity_class => 2,
        country_id => $country);
    $form = fields($card, 'ar_ap_account_id');
    my ($receivables) = $card =~ m{value="(\d+)"[^>]*>1210--};
    submit('contact.pl', $form, action => 'save_credit', entity_class => 2, meta_number => $number,
        ar_ap_account_id => $receivables, curr => 'EUR');
    my @found = report('contact_reports.pl', action => 'search', entity_class => 2, meta_number => $number);
    is($found[0]{Name}, $name, "$number is a customer");
}

# Imports invoices to a customer as a batch, and posts the batch.
sub post {
    my ($customer, $batch) = @_;
    my $today = strftime '%Y-%m-%d', localtime;
    my $form = fields(page('import_csv.pl', action => 'begin_import', type => 'ar_multi'), 'import_file');
    # LedgerSMB takes two lines of headings.
    my $headings = 'customer,amount,account,ar,description,invnumber,transdate';
    my @rows = map { "$customer,$_,8400,1210,goods,,$today" } @amounts;
    upload('import_csv.pl', { %$form, action => 'run_import', reference => $batch, description => $batch,
            transdate => $today }, 'import_file', 'invoices.csv', join "\n", $headings, $headings, @rows);
    my @query = (action => 'list_batches', approved => 0, reference => $batch);
    my ($found) = report('vouchers.pl', @query);
    is($found->{'AR/AP/GL Amount'}, $total, "the batch $batch is imported, and its total is rounded once");
    submit('vouchers.pl', fields(page('vouchers.pl', @query), 'select_1'), action => 'batch_approve', select_1 => 1);
    my @left = grep { $_->{ID} } report('vouchers.pl', @query);
    is(scalar @left, 0, 'the batch is posted');
}

# The numbers of a customer's invoices, which must be those amounts; the first one's is the one to remember.
sub invoices {
    my ($customer) = @_;
    my @found = grep { $_->{ID} } report('invoice.pl', action => 'invoice_search', entity_class => 2,
        meta_number => $customer, open => 1, closed => 1);
    is(join(' ', map { $_->{Total} } @found), join(' ', @amounts), "${customer}'s invoices are there, to a tenth of a cent");
    return map { $_->{Invoice} } @found;
}

# What the general ledger has of invoices.
sub ledger {
    my (@numbers) = @_;
    my @entries = report('journal.pl', action => 'search', category => 'X', is_approved => 'Y');
    for my $at (0 .. $#numbers) {
        my @lines = grep { $_->{Reference} eq $numbers[$at] } @entries;
        my @sides = map { my $side = $_; sort grep { $_ != 0 } map { $_->{$side} } @lines } qw(Debits Credits);
        is("@sides", "$shown[$at] $shown[$at]", "invoice $numbers[$at] is in the ledger, half a cent rounded up");
    }
}

# Balances the books.
sub books {
    my ($batches) = @_;
    my @rows = report('trial_balance.pl', action => 'run', is_approved => 'Y', tb_type => '');
    my %total = %{ pop @rows };
    ok($total{Debits} > 0 && $total{Debits} eq $total{Credits}, 'debits and credits are equal',
        "debits $total{Debits}, credits $total{Credits}");
    my %balance = map { $_->{'Account Number'} => $_->{'Ending Balance'} } @rows;
    my $exact = sprintf '%.2f', $batches * sum0(@amounts);
    is(join(' ', @balance{1210, 8400}), "$exact $exact", 'receivables and sales have every invoice');
}

# Prints the receivables and reads what is on the paper.
sub print_receivables {
    my (@customers) = @_;
    my $paper = page('report_aging.pl', action => 'run_report', entity_class => 2, report_type => 'summary');
    ok($paper =~ /\Q$_\E/, "the report of what is owed says $_") for @customers, $total;
}

log_in();
if ($phase eq 'before') {
    customer('Early Bird Ltd', 'EARLY');
    post('EARLY', 'window-before');
    my @numbers = invoices('EARLY');
    ledger(@numbers);
    print "# invoice $numbers[0]\n";
}
else {
    my @numbers = invoices('EARLY');
    is($numbers[0], $kept, "invoice $kept has kept its number");
    ledger(@numbers);
    customer('Late Riser Ltd', 'LATE');
    post('LATE', 'window-after');
    my @new = invoices('LATE');
    is($new[0], $numbers[-1] + 1, "invoice $new[0] follows $numbers[-1]");
    ledger(@new);
    print "# invoice $new[0]\n";
    books(2);
    print_receivables('Early Bird Ltd', 'Late Riser Ltd');
}
finish();
