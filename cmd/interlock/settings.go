package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"interlock/services/ledger/sqlledger"
)

// Settings are what all commands share. Nothing given is the embedded default.
type Settings struct {
	Config kong.ConfigFlag `yaml:"-" help:"A YAML file with settings, besides ./interlock.yaml." placeholder:"FILE"`

	Listen         string   `name:"listen" yaml:"listen" default:"127.0.0.1:8080" help:"The address to serve on."`
	Hosts          []string `name:"hosts" yaml:"hosts" help:"The names clients reach the server by, as in the Host header, besides those of loopback and --listen; * is any." placeholder:"NAME"`
	AllowedOrigins []string `name:"allowed-origins" yaml:"allowed-origins" help:"Web origins that may use the API besides our own." placeholder:"ORIGIN"`
	Data           string   `name:"data" yaml:"data" default:"interlock-data" help:"The folder of the embedded default: database, development secrets, addresses." placeholder:"FOLDER"`

	MySQL        []string             `name:"mysql" yaml:"mysql" help:"The ledger: the DSN of its primary, such as user:password@tcp(db:3306)/interlock, or those of all members of its cluster, repeated or with commas between them (a comma within one is written \\,), among which the primary is found. Without it, the embedded default." placeholder:"DSN"`
	MySQLReplica string               `name:"mysql-replica" yaml:"mysql-replica" help:"A replica to read lists from, where --mysql names the primary alone." placeholder:"DSN"`
	Durability   sqlledger.Durability `name:"durability" yaml:"durability" default:"replicated" enum:"replicated,local" help:"With MySQL: refuse to sell while semi-synchronous replication is off (replicated), or trust one server and its disk (local)."`

	FailoverMembers     []string `name:"failover-members" yaml:"failover-members" help:"For failover: all members of the ledger's MySQL cluster, as a user that may administer them: admin:password@tcp(db1:3306)/interlock." placeholder:"DSN"`
	ReplicationUser     string   `name:"replication-user" yaml:"replication-user" help:"For failover: who a replica logs in to its primary as." placeholder:"NAME"`
	ReplicationPassword string   `name:"replication-password" yaml:"replication-password" help:"For failover: that user's password." placeholder:"SECRET"`

	Redis           []string `name:"redis" yaml:"redis" help:"The cache: one address or URL, or several of a cluster or of sentinels." placeholder:"ADDRESS"`
	RedisMasterName string   `name:"redis-master-name" yaml:"redis-master-name" help:"The master's name, where the cache's addresses are sentinels." placeholder:"NAME"`
	RedisCluster    bool     `name:"redis-cluster" yaml:"redis-cluster" help:"The cache is a Redis Cluster."`
	RedisUsername   string   `name:"redis-username" yaml:"redis-username" help:"The cache's user." placeholder:"NAME"`
	RedisPassword   string   `name:"redis-password" yaml:"redis-password" help:"The cache's password." placeholder:"SECRET"`
	LockRedis       []string `name:"lock-redis" yaml:"lock-redis" help:"The lock's nodes: 3 or 5 independent Redis masters." placeholder:"ADDRESS"`

	Hold             time.Duration `name:"hold" yaml:"hold" default:"15m" help:"How long an order may stay unpaid."`
	SaleClosesBefore time.Duration `name:"sale-closes-before" yaml:"sale-closes-before" default:"5m" help:"How long before a departure selling from there ends; for runs published from now on."`
	MaxRunHolds      int           `name:"max-run-holds" yaml:"max-run-holds" default:"5" help:"How many unpaid orders a buyer may have on one run; 0 is any number."`
	MaxOpenHolds     int           `name:"max-open-holds" yaml:"max-open-holds" default:"5" help:"How many unpaid orders a buyer may have on all runs, and a hundred times as many cancel in 24 hours; 0 is any number."`
	MaxLapsedHolds   int           `name:"max-lapsed-holds" yaml:"max-lapsed-holds" default:"3" help:"How many of a buyer's orders on a run may lapse unpaid in 24 hours before the run is closed to them; 0 is any number."`
	MaxDocuments     int           `name:"max-documents" yaml:"max-documents" default:"20" help:"For how many different documents a buyer may ask in 24 hours; 0 is any number."`
	Payments         string        `name:"payments" yaml:"payments" default:"" enum:",none,sandbox" help:"The payment provider: sandbox (takes no money) or none. The embedded default has the sandbox."`

	MaxStreamsPerViewer  int      `name:"max-streams-per-viewer" yaml:"max-streams-per-viewer" default:"20" help:"How many WebSockets and event streams one viewer may have open on a server."`
	MaxWatchedPerViewer  int      `name:"max-watched-per-viewer" yaml:"max-watched-per-viewer" default:"1000" help:"How much one viewer, or one stream without a token, may watch on a server: a run between two stations counts 1, in each subscription, and an order 10."`
	MaxStreamsPerAddress int      `name:"max-streams-per-address" yaml:"max-streams-per-address" default:"200" help:"How many streams without a token may be open from one client address (of IPv6: one /64)."`
	MaxWatchedPerAddress int      `name:"max-watched-per-address" yaml:"max-watched-per-address" default:"5000" help:"How much they may watch together."`
	TrustedProxies       []string `name:"trusted-proxies" yaml:"trusted-proxies" help:"The proxies in front, whose X-Forwarded-For is believed: addresses, or networks such as 10.0.0.0/8." placeholder:"NETWORK"`

	OIDCIssuer   string   `name:"oidc-issuer" yaml:"oidc-issuer" help:"Take the tokens of this OpenID Connect issuer, and refuse development tokens." placeholder:"URL"`
	OIDCAudience string   `name:"oidc-audience" yaml:"oidc-audience" help:"The audience a token must name." placeholder:"NAME"`
	OIDCClients  []string `name:"oidc-clients" yaml:"oidc-clients" help:"The applications (azp, client_id) whose tokens are taken; any where none is named." placeholder:"NAME"`
	OIDCKeys     string   `name:"oidc-keys" yaml:"oidc-keys" help:"Where the issuer's keys are, if it does not say." placeholder:"URL"`
	TokenSecret  string   `name:"token-secret" yaml:"token-secret" help:"The secret of development tokens, at least 32 characters; the data folder's own where not given." placeholder:"SECRET"`
	RolesClaim   string   `name:"roles-claim" yaml:"roles-claim" default:"roles" help:"The claim that has a token's roles; dots go into objects." placeholder:"NAME"`
	DocumentKey  string   `name:"document-key" yaml:"document-key" help:"The key of the digests of document numbers, the same on all servers; at least 32 characters. Needed with MySQL." placeholder:"SECRET"`

	InsecureDevelopmentTokens bool `name:"insecure-development-tokens" yaml:"insecure-development-tokens" help:"Serve off loopback without an issuer: whoever has the development secret is anybody."`
	InsecureSandboxPayments   bool `name:"insecure-sandbox-payments" yaml:"insecure-sandbox-payments" help:"Serve off loopback with payments that take no money: every order is paid."`

	PersonalDataKeys          []string `name:"personal-data-keys" yaml:"personal-data-keys" help:"The keys that names and document numbers are sealed with, the same on all servers: each an id, a colon and 64 hexadecimal digits. The first seals, all open. Needed with MySQL." placeholder:"KEY"`
	ForgetPassengersAfterDays int      `name:"forget-passengers-after-days" yaml:"forget-passengers-after-days" default:"100" help:"How many days after the end of a run its passengers are forgotten; 0 is never."`

	LogLevel slog.Level `name:"log-level" yaml:"log-level" default:"INFO" help:"DEBUG, INFO, WARN or ERROR."`
}

// minDocumentKey is as much as the digest it keys can use.
const minDocumentKey = 32

// maxForgetDays is a hundred years: more is a slip of the pen.
const maxForgetDays = 36_500

// embedded tells whether nothing but this process is needed.
func (s *Settings) embedded() bool { return len(s.MySQL) == 0 }

// validate refuses settings that do not go together, before anything is opened.
func (s *Settings) validate() error {
	for name, limit := range map[string]int{
		"max-streams-per-viewer": s.MaxStreamsPerViewer, "max-watched-per-viewer": s.MaxWatchedPerViewer,
		"max-streams-per-address": s.MaxStreamsPerAddress, "max-watched-per-address": s.MaxWatchedPerAddress,
	} {
		if limit < 1 {
			return fmt.Errorf("--%s is at least 1, not %d", name, limit)
		}
	}
	if _, err := s.trustedProxies(); err != nil {
		return err
	}
	if s.ForgetPassengersAfterDays < 0 || s.ForgetPassengersAfterDays > maxForgetDays {
		return fmt.Errorf("--forget-passengers-after-days is 0, which is never, to %d", maxForgetDays)
	}
	if s.embedded() {
		if len(s.Redis) > 0 || len(s.LockRedis) > 0 || s.MySQLReplica != "" {
			return errors.New("--redis, --lock-redis and --mysql-replica go with --mysql: without it everything is embedded")
		}
		return nil
	}
	if err := s.validateMembers(); err != nil {
		return err
	}
	if len(s.Redis) == 0 {
		return errors.New("--mysql needs --redis: where the cache is")
	}
	if n := len(s.LockRedis); n != 3 && n != 5 {
		return fmt.Errorf("--mysql needs --lock-redis with 3 or 5 independent Redis masters, not %d", n)
	}
	if len(s.DocumentKey) < minDocumentKey {
		return fmt.Errorf("--mysql needs --document-key with at least %d characters, the same on all servers", minDocumentKey)
	}
	if len(s.PersonalDataKeys) == 0 {
		return errors.New("--mysql needs --personal-data-keys: an id, a colon and 64 hexadecimal digits, the same on all servers")
	}
	return nil
}

// trustedProxies are the networks of the proxies in front; an address is a network of one.
func (s *Settings) trustedProxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range s.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network like 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		all = append(all, network)
	}
	return all, nil
}

// validateMembers refuses what does not go with several members.
func (s *Settings) validateMembers() error {
	switch {
	case len(s.MySQL) == 1:
	case s.MySQLReplica != "":
		return errors.New("--mysql-replica goes with one --mysql: among several, replicas to read from are found")
	case s.Durability == sqlledger.Local:
		return errors.New("--durability local goes with one --mysql: a cluster is replicated")
	}
	return nil
}

// payments is the provider in force.
func (s *Settings) payments() string {
	if s.Payments == "" && s.embedded() {
		return "sandbox"
	}
	return s.Payments
}

// localURL is where this machine reaches the server that these settings describe.
func (s *Settings) localURL() (string, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

type configCommand struct{}

// Run prints the settings as a YAML file that may be used again, without its secrets.
func (configCommand) Run(s *Settings, out io.Writer) error {
	shown := *s
	// What is in force, not what a setting that does not count here says: the embedded default is never replicated.
	shown.Durability = ledgerOptions(s).Durability
	for _, secret := range []*string{&shown.RedisPassword, &shown.DocumentKey, &shown.TokenSecret, &shown.ReplicationPassword} {
		if *secret != "" {
			*secret = "(hidden)"
		}
	}
	shown.PersonalDataKeys = slices.Clone(s.PersonalDataKeys)
	for i, key := range shown.PersonalDataKeys {
		shown.PersonalDataKeys[i] = hideKey(key)
	}
	for _, address := range []*string{&shown.MySQLReplica, &shown.OIDCIssuer, &shown.OIDCKeys} {
		*address = hidePassword(*address)
	}
	for _, list := range []*[]string{&shown.MySQL, &shown.Redis, &shown.LockRedis, &shown.FailoverMembers} {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i] = hidePassword((*list)[i])
		}
	}
	b, err := yaml.Marshal(&shown)
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	return err
}

// hideKey shows a key's id.
func hideKey(key string) string {
	id, _, ok := strings.Cut(key, ":")
	if !ok {
		return "(hidden)"
	}
	return id + ":(hidden)"
}

// scheme is what may come before an address: a password may have "://" in it, too.
var scheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)

// hidePassword takes the password out of "user:password@…", with or without a scheme in front.
func hidePassword(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	start := len(scheme.FindString(address[:at]))
	colon := strings.IndexByte(address[start:at], ':')
	if colon < 0 {
		return address
	}
	return address[:start+colon] + ":(hidden)" + address[at:]
}

// dataFolder makes the data folder where it is not there yet; nobody else may look into it.
func (s *Settings) dataFolder() error { return os.MkdirAll(s.Data, 0o700) }
