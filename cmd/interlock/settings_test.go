package main

import (
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger/sqlledger"
)

func TestSettings_EachHasHelp(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Vars{"version": ""},
		importHelp, rebuildHelp, failoverHelp, describeSettings())
	require.NoError(t, err)
	helped := 0
	for _, flag := range settingFlags(parser.Model.Node) {
		require.NotEmpty(t, flag.Help, flag.Name)
		helped++
	}
	require.Len(t, settingHelp, helped, "there is help for what is no setting")
}

// TestSettings_Rules changes one thing at a time in settings that keep all rules.
func TestSettings_Rules(t *testing.T) {
	embedded := Settings{
		MaxStreamsPerViewer: 1, MaxWatchedPerViewer: 1, MaxStreamsPerAddress: 1, MaxWatchedPerAddress: 1,
		ForgetPassengersAfterDays: maxForgetDays,
	}
	server := embedded
	server.MySQL, server.Redis, server.LockRedis = []string{"a"}, []string{"r"}, []string{"1", "2", "3"}
	server.DocumentKey, server.PersonalDataKeys = "0123456789abcdef0123456789abcdef", []string{"k"}
	cluster := server
	cluster.MySQL = []string{"a", "b", "c"}
	server.MySQLReplica, server.Durability = "replica", sqlledger.Local
	bank, stripe, apart := embedded, server, cluster
	bank.Payments, stripe.Payments, apart.Payments = "bank", "stripe", "bank"
	stripe.StripeKeyFile, stripe.WebhookSecretFile = "key", "secret"
	stripe.PayReturnURL = "https://railway.example/orders/{ORDER_ID}"
	apart.PayURL, apart.PayMySQL = "http://pay:8090", []string{"a", "b", "c"}
	for _, kept := range []Settings{embedded, server, cluster, bank, stripe, apart} {
		require.NoError(t, kept.validate())
	}
	for _, c := range []struct {
		of     Settings
		change func(*Settings)
		wrong  string
	}{
		{embedded, func(s *Settings) { s.MaxStreamsPerViewer = 0 }, "--max-streams-per-viewer is at least 1, not 0"},
		{server, func(s *Settings) { s.MaxWatchedPerViewer = 0 }, "--max-watched-per-viewer is at least 1, not 0"},
		{cluster, func(s *Settings) { s.MaxStreamsPerAddress = 0 }, "--max-streams-per-address is at least 1, not 0"},
		{
			embedded, func(s *Settings) { s.MaxWatchedPerAddress = -1 },
			"--max-watched-per-address is at least 1, not -1",
		},
		{embedded, func(s *Settings) { s.Drain = time.Hour }, "--drain: it is at most 5m0s"},
		{embedded, func(s *Settings) { s.Drain = -1 }, "--drain: it is at most 5m0s"},
		{embedded, func(s *Settings) { s.TrustedProxies = []string{"proxy"} }, `--trusted-proxies: "proxy" is neither`},
		{server, func(s *Settings) { s.ForgetPassengersAfterDays = -1 }, "--forget-passengers-after-days is 0, which"},
		{server, func(s *Settings) { s.ForgetPassengersAfterDays++ }, "--forget-passengers-after-days is 0, which"},

		{embedded, func(s *Settings) { s.Redis = []string{"r"} }, "go with --mysql"},
		{embedded, func(s *Settings) { s.LockRedis = []string{"1"} }, "go with --mysql"},
		{embedded, func(s *Settings) { s.MySQLReplica = "replica" }, "go with --mysql"},

		{cluster, func(s *Settings) { s.MySQLReplica = "replica" }, "--mysql-replica goes with one --mysql"},
		{cluster, func(s *Settings) { s.Durability = sqlledger.Local }, "--durability local goes with one --mysql"},
		{server, func(s *Settings) { s.Redis = nil }, "--mysql needs --redis"},
		{
			cluster, func(s *Settings) { s.LockRedis = slices.Repeat([]string{"n"}, 4) },
			"3 or 5 independent Redis masters, not 4",
		},
		{server, func(s *Settings) { s.LockRedis = nil }, "3 or 5 independent Redis masters, not 0"},
		{server, func(s *Settings) { s.DocumentKey = s.DocumentKey[1:] }, "--document-key with at least 32 characters"},
		{server, func(s *Settings) { s.PersonalDataKeys = nil }, "--mysql needs --personal-data-keys"},

		{embedded, func(s *Settings) { s.PayURL = "http://pay:8090" }, "--pay-url goes with --payments bank or stripe"},
		{stripe, func(s *Settings) { s.BankURL = "http://bank" }, "--bank-url goes with --payments bank"},
		{stripe, func(s *Settings) { s.StripeKeyFile = "" }, "--payments stripe needs --stripe-key-file"},
		{stripe, func(s *Settings) { s.WebhookSecretFile = "" }, "--payments stripe needs --stripe-key-file"},
		{stripe, func(s *Settings) { s.PayReturnURL = "" }, "--payments stripe needs --pay-return-url"},
		{server, func(s *Settings) { s.Payments = "bank" }, "--payments bank with --mysql needs --bank-url"},
		{bank, func(s *Settings) { s.PayMySQL = []string{"a"} }, "--pay-mysql goes with --mysql"},
		{stripe, func(s *Settings) { s.PayMySQL = []string{"a", "b"} }, "--durability local goes with one --pay-mysql"},
		{apart, func(s *Settings) { s.PayCert = "cert" }, "--pay-cert and --pay-key go together"},
		{apart, func(s *Settings) { s.PayKey = "key" }, "--pay-cert and --pay-key go together"},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			changed := c.of
			c.change(&changed)
			require.ErrorContains(t, changed.validate(), c.wrong)
		})
	}
}
