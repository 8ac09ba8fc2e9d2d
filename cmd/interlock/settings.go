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

// Settings are what all commands share. With none given, they are the embedded default. settingHelp has their help.
type Settings struct {
	Config kong.ConfigFlag `yaml:"-" help:"A YAML file with settings, besides ./interlock.yaml." placeholder:"FILE"`

	Listen         string        `yaml:"listen" default:"127.0.0.1:8080"`
	Hosts          []string      `yaml:"hosts" placeholder:"NAME"`
	AllowedOrigins []string      `yaml:"allowed-origins" placeholder:"ORIGIN"`
	Drain          time.Duration `yaml:"drain" default:"0s"`
	Data           string        `yaml:"data" default:"interlock-data" placeholder:"FOLDER"`

	MySQL        []string             `name:"mysql" yaml:"mysql" placeholder:"DSN"`
	MySQLReplica string               `name:"mysql-replica" yaml:"mysql-replica" placeholder:"DSN"`
	Durability   sqlledger.Durability `yaml:"durability" default:"replicated" enum:"replicated,local"`

	FailoverMembers     []string `yaml:"failover-members" placeholder:"DSN"`
	ReplicationUser     string   `yaml:"replication-user" placeholder:"NAME"`
	ReplicationPassword string   `yaml:"replication-password" placeholder:"SECRET"`

	Redis           []string `yaml:"redis" placeholder:"ADDRESS"`
	RedisMasterName string   `yaml:"redis-master-name" placeholder:"NAME"`
	RedisCluster    bool     `yaml:"redis-cluster"`
	RedisUsername   string   `yaml:"redis-username" placeholder:"NAME"`
	RedisPassword   string   `yaml:"redis-password" placeholder:"SECRET"`
	LockRedis       []string `yaml:"lock-redis" placeholder:"ADDRESS"`

	Messages           []string `yaml:"messages" placeholder:"ADDRESS"`
	MessagesMasterName string   `yaml:"messages-master-name" placeholder:"NAME"`
	MessagesUsername   string   `yaml:"messages-username" placeholder:"NAME"`
	MessagesPassword   string   `yaml:"messages-password" placeholder:"SECRET"`

	Hold             time.Duration `yaml:"hold" default:"15m"`
	SaleClosesBefore time.Duration `yaml:"sale-closes-before" default:"5m"`
	MaxRunHolds      int           `yaml:"max-run-holds" default:"5"`
	MaxOpenHolds     int           `yaml:"max-open-holds" default:"5"`
	MaxLapsedHolds   int           `yaml:"max-lapsed-holds" default:"3"`
	MaxDocuments     int           `yaml:"max-documents" default:"20"`

	Quotas []string `yaml:"quotas" placeholder:"QUOTA"`

	RefundFees string `yaml:"refund-fees" placeholder:"LADDER"`
	ChangeFees string `yaml:"change-fees" placeholder:"LADDER"`

	Payments          string   `yaml:"payments" default:"" enum:",none,sandbox,bank,stripe"`
	BankURL           string   `yaml:"bank-url" placeholder:"URL"`
	StripeKeyFile     string   `yaml:"stripe-key-file" placeholder:"FILE"`
	WebhookSecretFile string   `yaml:"webhook-secret-file" placeholder:"FILE"`
	PayReturnURL      string   `yaml:"pay-return-url" placeholder:"URL"`
	PaySource         string   `yaml:"pay-source" default:"interlock" placeholder:"NAME"`
	PayMySQL          []string `name:"pay-mysql" yaml:"pay-mysql" placeholder:"DSN"`

	PayURL         string `yaml:"pay-url" placeholder:"URL"`
	PaySecretFile  string `yaml:"pay-secret-file" placeholder:"FILE"`
	PayCA          string `name:"pay-ca" yaml:"pay-ca" placeholder:"FILE"`
	PayCert        string `yaml:"pay-cert" placeholder:"FILE"`
	PayKey         string `yaml:"pay-key" placeholder:"FILE"`
	ListenWebhooks string `yaml:"listen-webhooks" default:"127.0.0.1:8091"`

	MailServer       string   `yaml:"mail-server" placeholder:"HOST:PORT"`
	MailFrom         string   `yaml:"mail-from" placeholder:"ADDRESS"`
	MailUser         string   `yaml:"mail-user" placeholder:"NAME"`
	MailPasswordFile string   `yaml:"mail-password-file" placeholder:"FILE"`
	MailTLS          string   `name:"mail-tls" yaml:"mail-tls" default:"starttls" enum:"starttls,tls,none"`
	MailCA           string   `name:"mail-ca" yaml:"mail-ca" placeholder:"FILE"`
	MailFolder       string   `yaml:"mail-folder" placeholder:"FOLDER"`
	MailTemplates    string   `yaml:"mail-templates" placeholder:"FOLDER"`
	MailOrderPage    string   `yaml:"mail-order-page" placeholder:"URL"`
	TicketFont       string   `yaml:"ticket-font" placeholder:"FILE"`
	Webhooks         bool     `yaml:"webhooks"`
	NotifyMySQL      []string `name:"notify-mysql" yaml:"notify-mysql" placeholder:"DSN"`

	NotifyURL        string `yaml:"notify-url" placeholder:"URL"`
	ListenOrders     string `yaml:"listen-orders" placeholder:"ADDRESS"`
	OrdersURL        string `yaml:"orders-url" placeholder:"URL"`
	NotifySecretFile string `yaml:"notify-secret-file" placeholder:"FILE"`
	NotifyCA         string `name:"notify-ca" yaml:"notify-ca" placeholder:"FILE"`
	NotifyCert       string `yaml:"notify-cert" placeholder:"FILE"`
	NotifyKey        string `yaml:"notify-key" placeholder:"FILE"`

	MaxStreamsPerViewer  int      `yaml:"max-streams-per-viewer" default:"20"`
	MaxWatchedPerViewer  int      `yaml:"max-watched-per-viewer" default:"1000"`
	MaxStreamsPerAddress int      `yaml:"max-streams-per-address" default:"200"`
	MaxWatchedPerAddress int      `yaml:"max-watched-per-address" default:"5000"`
	TrustedProxies       []string `yaml:"trusted-proxies" placeholder:"NETWORK"`

	OIDCIssuer   string   `yaml:"oidc-issuer" placeholder:"URL"`
	OIDCAudience string   `yaml:"oidc-audience" placeholder:"NAME"`
	OIDCClients  []string `yaml:"oidc-clients" placeholder:"NAME"`
	OIDCKeys     string   `yaml:"oidc-keys" placeholder:"URL"`
	TokenSecret  string   `yaml:"token-secret" placeholder:"SECRET"`
	RolesClaim   string   `yaml:"roles-claim" default:"roles" placeholder:"NAME"`
	DocumentKey  string   `yaml:"document-key" placeholder:"SECRET"`

	InsecureDevelopmentTokens bool `yaml:"insecure-development-tokens"`
	InsecureSandboxPayments   bool `yaml:"insecure-sandbox-payments"`
	InsecureWebhookTargets    bool `yaml:"insecure-webhook-targets"`

	PersonalDataKeys          []string `yaml:"personal-data-keys" placeholder:"KEY"`
	ForgetPassengersAfterDays int      `yaml:"forget-passengers-after-days" default:"100"`

	TicketKeysFile string `yaml:"ticket-keys-file" placeholder:"FILE"`

	LogLevel slog.Level `yaml:"log-level" default:"INFO"`
}

// minDocumentKey is as many characters as the digest can use of its key.
const minDocumentKey = 32

// maxForgetDays is a hundred years. More is a typing mistake.
const maxForgetDays = 36_500

// embedded tells whether the server needs no other process.
func (s *Settings) embedded() bool { return len(s.MySQL) == 0 }

// settingRule is a rule that settings keep or not, and what is wrong with them where they do not.
type settingRule struct {
	kept  bool
	wrong string
}

// validate refuses settings that do not go together, before anything is opened. It returns the first rule that is not
// kept.
func (s *Settings) validate() error {
	if _, err := s.trustedProxies(); err != nil {
		return err
	}
	if _, err := s.refundRules(); err != nil {
		return err
	}
	rules := s.limitRules()
	if s.embedded() {
		rules = append(rules, s.embeddedRules()...)
	} else {
		rules = append(rules, s.mysqlRules()...)
	}
	rules = append(rules, settingRule{
		s.Drain >= 0 && s.Drain <= maxDrain, fmt.Sprintf("--drain: it is at most %s", maxDrain),
	})
	rules = append(append(rules, s.paymentRules()...), s.notifyRules()...)
	for _, rule := range rules {
		if !rule.kept {
			return errors.New(rule.wrong)
		}
	}
	return nil
}

// limitRules are those for every server.
func (s *Settings) limitRules() []settingRule {
	atLeastOne := func(setting string, n int) settingRule {
		return settingRule{n >= 1, fmt.Sprintf("--%s is at least 1, not %d", setting, n)}
	}
	days := s.ForgetPassengersAfterDays
	return []settingRule{
		atLeastOne("max-streams-per-viewer", s.MaxStreamsPerViewer),
		atLeastOne("max-watched-per-viewer", s.MaxWatchedPerViewer),
		atLeastOne("max-streams-per-address", s.MaxStreamsPerAddress),
		atLeastOne("max-watched-per-address", s.MaxWatchedPerAddress),
		{
			days >= 0 && days <= maxForgetDays,
			fmt.Sprintf("--forget-passengers-after-days is 0, which is never, to %d", maxForgetDays),
		},
	}
}

// embeddedRules are those for the embedded default.
func (s *Settings) embeddedRules() []settingRule {
	return []settingRule{{
		len(s.Redis) == 0 && len(s.LockRedis) == 0 && len(s.Messages) == 0 && s.MySQLReplica == "",
		"--redis, --lock-redis, --messages and --mysql-replica go with --mysql: without it everything is embedded",
	}}
}

// mysqlRules are those for a ledger in MySQL, one server or a cluster.
func (s *Settings) mysqlRules() []settingRule {
	isCluster, nodes := len(s.MySQL) > 1, len(s.LockRedis)
	return []settingRule{
		{
			!isCluster || s.MySQLReplica == "",
			"--mysql-replica goes with one --mysql: among several, replicas to read from are found",
		},
		{
			!isCluster || s.Durability != sqlledger.Local,
			"--durability local goes with one --mysql: a cluster is replicated",
		},
		{
			len(s.Redis) > 0,
			"--mysql needs --redis: where the cache is",
		},
		{
			len(s.Messages) > 0 || s.MessagesMasterName == "" && s.MessagesUsername == "" && s.MessagesPassword == "",
			"--messages-master-name, --messages-username and --messages-password go with --messages",
		},
		{
			nodes == 3 || nodes == 5,
			fmt.Sprintf("--mysql needs --lock-redis with 3 or 5 independent Redis masters, not %d", nodes),
		},
		{
			len(s.DocumentKey) >= minDocumentKey,
			fmt.Sprintf("--mysql needs --document-key with at least %d characters, the same on all servers",
				minDocumentKey),
		},
		{
			len(s.PersonalDataKeys) > 0,
			"--mysql needs --personal-data-keys: an id, a colon and 64 hexadecimal digits, the same on all servers",
		},
	}
}

// paymentRules are those for payments that take time.
func (s *Settings) paymentRules() []settingRule {
	inside := s.paysInTime() && s.PayURL == ""
	return []settingRule{
		{
			s.PayURL == "" || s.paysInTime(),
			"--pay-url goes with --payments bank or stripe: which of the two the process there has",
		},
		{
			s.BankURL == "" || s.payments() == bankPayments,
			"--bank-url goes with --payments bank",
		},
		{
			!inside || s.payments() != stripePayments || s.StripeKeyFile != "" && s.WebhookSecretFile != "",
			"--payments stripe needs --stripe-key-file and --webhook-secret-file, or --pay-url",
		},
		{
			!inside || s.payments() != stripePayments || s.PayReturnURL != "",
			"--payments stripe needs --pay-return-url: the page that buyers come back to",
		},
		{
			!inside || s.payments() != bankPayments || s.embedded() || s.BankURL != "",
			"--payments bank with --mysql needs --bank-url: where interlock sandbox-bank serves",
		},
		{
			len(s.PayMySQL) == 0 || !s.embedded(),
			"--pay-mysql goes with --mysql: without it everything is embedded",
		},
		{
			len(s.PayMySQL) < 2 || s.Durability != sqlledger.Local,
			"--durability local goes with one --pay-mysql: a cluster is replicated",
		},
		{
			(s.PayCert == "") == (s.PayKey == ""),
			"--pay-cert and --pay-key go together",
		},
	}
}

// trustedProxies are the networks of the proxies in front. An address counts as a network of one.
func (s *Settings) trustedProxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range s.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network like 10.0.0.0/8",
					text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		all = append(all, network)
	}
	return all, nil
}

// payments is the provider in force.
func (s *Settings) payments() string {
	if s.Payments == "" && s.embedded() {
		return "sandbox"
	}
	return s.Payments
}

// The providers of payments that take time.
const (
	bankPayments   = "bank"
	stripePayments = "stripe"
)

// paysInTime tells whether payments are a provider's, which asks the buyer and takes its time.
func (s *Settings) paysInTime() bool {
	return s.payments() == bankPayments || s.payments() == stripePayments
}

// takesNoMoney tells whether every buyer is given a ticket for nothing.
func (s *Settings) takesNoMoney() bool {
	return s.payments() == "sandbox" || s.payments() == bankPayments
}

// localURL is the URL at which this machine reaches a server with these settings.
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

// Run prints the settings as a YAML file that can be used again, without secrets.
func (configCommand) Run(s *Settings, out io.Writer) error {
	shown := *s
	// It shows the durability in force: the embedded default is never replicated, whatever the setting is.
	shown.Durability = ledgerOptions(s).Durability
	for _, secret := range []*string{
		&shown.RedisPassword, &shown.MessagesPassword, &shown.DocumentKey, &shown.TokenSecret,
		&shown.ReplicationPassword,
	} {
		if *secret != "" {
			*secret = "(hidden)"
		}
	}
	shown.PersonalDataKeys = slices.Clone(s.PersonalDataKeys)
	for i, key := range shown.PersonalDataKeys {
		shown.PersonalDataKeys[i] = hideKey(key)
	}
	for _, address := range []*string{
		&shown.MySQLReplica, &shown.OIDCIssuer, &shown.OIDCKeys, &shown.BankURL,
		&shown.PayURL, &shown.NotifyURL, &shown.OrdersURL,
	} {
		*address = hidePassword(*address)
	}
	for _, list := range []*[]string{
		&shown.MySQL, &shown.PayMySQL, &shown.NotifyMySQL, &shown.Redis, &shown.LockRedis, &shown.Messages,
		&shown.FailoverMembers,
	} {
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

// hideKey shows a key's id, and hides the key.
func hideKey(key string) string {
	id, _, ok := strings.Cut(key, ":")
	if !ok {
		return "(hidden)"
	}
	return id + ":(hidden)"
}

// scheme matches the scheme of an address. A password may have "://" in it, so it is matched at the start only.
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

// dataFolder makes the data folder where there is none. Only its owner may read it.
func (s *Settings) dataFolder() error { return os.MkdirAll(s.Data, 0o700) }
