#!/usr/bin/perl
# Sets up a company in LedgerSMB's own setup pages, as its administrator would: database, chart of accounts, templates,
# and a user, who then gives herself a password that does not expire.
use strict;
use warnings;
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);

my $url = 'http://127.0.0.1:5762';
my $http = HTTP::Tiny->new(timeout => 300);

sub ask {
    my ($what, $login, $cookie, $method, $path, $form) = @_;
    my %headers = (authorization => 'Basic ' . encode_base64($login, ''));
    $headers{cookie} = $cookie if $cookie;
    my $content = $http->www_form_urlencode($form);
    my $reply = $method eq 'GET'
        ? $http->get("$url/$path?$content", { headers => \%headers })
        : $http->post("$url/$path", {
            headers => { %headers, 'content-type' => 'application/x-www-form-urlencoded' }, content => $content });
    die "$what: HTTP status $reply->{status}\n$reply->{content}\n" unless $reply->{success};
    print "$what\n";
    return $reply;
}

for (1 .. 60) {
    last if $http->get("$url/login.pl")->{success};
    sleep 1;
}

my $admin = 'lsmb_dbadmin:admin-of-the-lab';
my @books = (database => 'books');
ask('the database is made', $admin, '', GET => 'setup.pl', [@books, action => 'create_db'])->{content} =~ /coa_lc/
    or die "no chart of accounts is asked for\n";
# A chart with one currency: the batch import takes the list of a company's currencies for one.
ask('the chart of accounts is loaded', $admin, '', POST => 'setup.pl',
    [@books, action => 'select_coa', coa_lc => 'de', chart => 'General.sql']);
my $page = ask('the templates are loaded', $admin, '', POST => 'setup.pl',
    [@books, action => 'load_templates', template_dir => 'demo'])->{content};
my ($country) = $page =~ m{<option[^>]*value="(\d+)"[^>]*>\s*Germany\s*<} or die "no country to choose\n";
ask('the user is made', $admin, '', POST => 'setup.pl',
    [@books, action => 'save_user', username => 'clerk', password => 'first-password', pls_import => 0,
     first_name => 'Clara', last_name => 'Clerk', employeenumber => 'E-1', country_id => $country, perms => 1]);

my $first = 'clerk:first-password';
my $cookie = ask('the user logs in', $first, '', GET => 'login.pl', [action => 'authenticate', company => 'books'])
    ->{headers}{'set-cookie'};
$cookie =~ s/;.*//;
ask('the user changes her password', $first, $cookie, POST => 'user.pl',
    [action => 'change_password', login => 'clerk', old_password => 'first-password',
     new_password => 'clerk-of-the-lab', confirm_password => 'clerk-of-the-lab']);
ask('and logs in with it', 'clerk:clerk-of-the-lab', '', GET => 'login.pl',
    [action => 'authenticate', company => 'books']);
