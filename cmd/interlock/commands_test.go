package main

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/identity"
	"interlock/services/rail"
)

// sampleFeed is the feed that is shipped with the project.
const sampleFeed = "../../services/publish/sample/china-hsr-2016.gtfs.zip"

// command runs a command in a folder of its own.
func command(t *testing.T, folder string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(append(arguments, "--data", folder), &out, &err)
	return code, out.String(), err.String()
}

func TestCommands_Import(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	feed := smallFeed(t, nil)
	code, out, errs := command(t, folder, "import", feed, "--templates", templatesFile(t),
		"--from", day(), "--days", "2")
	require.Zero(t, code, errs)
	require.Contains(t, out, "2 runs: 2 created, 0 changed, 0 unchanged")
	require.Contains(t, errs, "2 of 2 runs", "plain lines where there is no terminal")
	code, out, _ = command(t, folder, "import", feed, "--templates", templatesFile(t),
		"--from", day(), "--days", "3")
	require.Zero(t, code)
	require.Contains(t, out, "3 runs: 1 created, 0 changed, 2 unchanged", "importing again only finishes")

	settings := embeddedSettings(t)
	settings.Data = folder
	r := start(t, settings)
	found := r.ask(t, "", searchQuery, map[string]any{"f": []string{"A"}, "t": []string{"B"}, "d": day()})
	require.Equal(t, "X1", found.at(t, "searchTickets.nodes.0.run.train.number"))

	// While the server runs, another command works on the same data, and the server shows it within a second.
	later := mustDate(t, day()).AddDays(10).String()
	code, _, errs = command(t, folder, "import", feed, "--templates", templatesFile(t),
		"--from", later, "--days", "1")
	require.Zero(t, code, errs)
	require.Eventually(t, func() bool {
		a := r.ask(t, "", searchQuery, map[string]any{"f": []string{"A"}, "t": []string{"B"}, "d": later})
		return a.at(t, "searchTickets.nodes.0.classes.0.remaining") != nil
	}, healsIn, 20*time.Millisecond)
}

func TestCommands_ImportRefusesBrokenFeeds(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	notAZip := filepath.Join(t.TempDir(), "feed.zip")
	require.NoError(t, os.WriteFile(notAZip, []byte("this is no zip"), 0o600))
	for _, c := range []struct{ name, feed, says string }{
		{"not a zip", notAZip, "zip"},
		{"lacks a file", smallFeed(t, map[string]string{"trips.txt": ""}), "trips.txt"},
		{
			"lacks a column", smallFeed(t, map[string]string{"stop_times.txt": "trip_id,stop_id\nX1,A\n"}),
			`stop_times.txt:1: the file has no column "stop_sequence"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errs := command(t, folder, "import", c.feed, "--templates", templatesFile(t),
				"--from", day(), "--days", "1", "--strict")
			require.Equal(t, exitFound, code)
			require.Contains(t, errs, c.says)
			require.NoDirExists(t, folder, "nothing is opened for a feed that cannot be read")
		})
	}
	code, _, _ := command(t, folder, "import", "no-such-feed.zip", "--templates", templatesFile(t),
		"--from", day(), "--days", "1")
	require.NotZero(t, code)
	code, _, errs := command(t, folder, "import", sampleFeed, "--from", "yesterday", "--days", "1")
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "--from")
}

// templatesFile is a file of templates that sells any train at one euro a kilometre.
func templatesFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "templates.yaml")
	require.NoError(t, os.WriteFile(name, []byte(`currency: EUR
default:
  coaches: [{ numbers: 1, class: STANDARD, rows: { letters: "AB", first: 1, last: 5 } }]
  fares: [{ class: STANDARD, per_km: 1 }]
`), 0o600))
	return name
}

// smallFeed is a feed of one train from A to B, some of its files replaced; "" leaves one out.
func smallFeed(t *testing.T, replaced map[string]string) string {
	t.Helper()
	files := map[string]string{
		"agency.txt": "agency_id,agency_name,agency_url,agency_timezone\n1,A " +
			"Railway,https://example.org,Europe/Berlin\n",
		"stops.txt":  "stop_id,stop_name,stop_lat,stop_lon\nA,Anton,50,8\nB,Berta,51,8\n",
		"routes.txt": "route_id,route_short_name,route_type\nX,X,2\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"D,1,1,1,1,1,1,1,20000101,20991231\n",
		"trips.txt": "route_id,service_id,trip_id\nX,D,X1\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"X1,08:00:00,08:00:00,A,1\nX1,09:00:00,09:00:00,B,2\n",
	}
	for name, content := range replaced {
		files[name] = content
	}
	name := filepath.Join(t.TempDir(), "feed.zip")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	w := zip.NewWriter(f)
	for name, content := range files {
		if content == "" {
			continue
		}
		entry, err := w.Create(name)
		require.NoError(t, err)
		_, err = io.WriteString(entry, content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return name
}

func TestCommands_Small(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	code, _, errs := command(t, folder, "token", "--role", "INSPECTOR", "--subject", "ines")
	require.Zero(t, code, errs)
	code, out, _ := command(t, folder, "token", "--role", "ADMIN", "--subject", "boss")
	require.Zero(t, code)
	require.Equal(t, 1, strings.Count(out, "\n"), "a token is alone on standard output")
	info, err := os.Stat(filepath.Join(folder, tokenSecretFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	code, _, errs = command(t, folder, "token", "--role", "KING", "--subject", "boss")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "ADMIN")
	code, _, errs = command(t, folder, "token", "--role", "ADMIN", "--subject", "boss", "--oidc-issuer",
		"https://issuer.example")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "no development tokens")

	code, out, _ = command(t, folder, "config", "--mysql", "root:secret@tcp(db:3306)/interlock", "--document-key",
		"very secret")
	require.Zero(t, code)
	require.NotContains(t, out, "secret@")
	require.NotContains(t, out, "very secret")
	require.Contains(t, out, "hold: 15m0s")

	code, out, _ = command(t, folder, "--version")
	require.Zero(t, code)
	require.Contains(t, out, "interlock "+version)

	code, _, errs = command(t, folder, "serve", "--mysql", "root@tcp(127.0.0.1:1)/x")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "--redis")
	code, _, _ = command(t, folder, "rebuild")
	require.Equal(t, exitCouldNotSee, code)
	code, _, _ = command(t, folder, "healthcheck", "--listen", "127.0.0.1:1")
	require.Equal(t, exitCouldNotSee, code)
	code, _, _ = command(t, folder, "no-such-command")
	require.Equal(t, exitCouldNotSee, code)
}

// `interlock config` shows no secret of any setting.
func TestCommands_ConfigHidesSecrets(t *testing.T) {
	const secret = "topsecret"
	// These have no secret, and are shown as they are.
	plain := map[string]bool{
		"Listen": true, "Hosts": true, "AllowedOrigins": true, "TrustedProxies": true, "OIDCClients": true,
		"Data": true, "RefundFees": true, "ChangeFees": true,
		"RedisMasterName": true, "RedisUsername": true, "MessagesMasterName": true, "MessagesUsername": true,
		"Payments": true, "OIDCAudience": true, "RolesClaim": true, "ReplicationUser": true,
		"StripeKeyFile": true, "WebhookSecretFile": true, "PaySecretFile": true, "PayCA": true, "PayCert": true,
		"PayKey": true, "PayReturnURL": true, "PaySource": true, "ListenWebhooks": true, "TicketKeysFile": true,
		"MailServer": true, "MailFrom": true, "MailUser": true, "MailPasswordFile": true, "MailTLS": true,
		"MailCA": true, "MailFolder": true, "MailTemplates": true, "MailOrderPage": true, "TicketFont": true,
		"ListenOrders": true, "Quotas": true,
		"NotifySecretFile": true, "NotifyCA": true, "NotifyCert": true, "NotifyKey": true,
	}
	for _, address := range []string{
		"user:" + secret + "@tcp(db:3306)/interlock", "redis://user:" + secret + "@h:1",
		"rediss://:" + secret + "@h:1/0",
		"user:" + secret + "@/x@tcp(db:3306)/interlock", "user:p://" + secret + "@tcp(db:3306)/interlock", secret,
	} {
		settings := Settings{}
		fields := reflect.ValueOf(&settings).Elem()
		hidden := 0
		for i := range fields.NumField() {
			name, field := fields.Type().Field(i).Name, fields.Field(i)
			isSecret := name == "RedisPassword" || name == "MessagesPassword" || name == "TokenSecret" ||
				name == "DocumentKey" ||
				name == "ReplicationPassword" ||
				name == "PersonalDataKeys"
			if plain[name] || address == secret && !isSecret {
				continue
			}
			switch value := field.Addr().Interface().(type) {
			case *string:
				*value = address
				hidden++
			case *[]string:
				*value = []string{address, address}
				hidden++
			}
		}
		require.Equal(t, map[bool]int{true: 6, false: 20}[address == secret], hidden, "a new setting: has it a secret?")
		given := settings
		given.Messages = slices.Clone(settings.Messages)
		given.Redis, given.LockRedis = slices.Clone(settings.Redis), slices.Clone(settings.LockRedis)
		given.FailoverMembers, given.MySQL = slices.Clone(settings.FailoverMembers), slices.Clone(settings.MySQL)
		given.PayMySQL, given.NotifyMySQL = slices.Clone(settings.PayMySQL), slices.Clone(settings.NotifyMySQL)
		given.PersonalDataKeys = slices.Clone(settings.PersonalDataKeys)
		var out bytes.Buffer
		require.NoError(t, configCommand{}.Run(&settings, &out))
		require.NotContains(t, out.String(), secret)
		require.Equal(t, given, settings, "it only shows")
		if strings.HasPrefix(address, "redis") {
			require.Contains(t, out.String(), ":(hidden)@h:1", "what is no secret is shown")
		}
	}
}

func TestVerify_MakesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	could := func(arguments ...string) string {
		t.Helper()
		code, out, errs := command(t, folder, arguments...)
		require.Equal(t, exitCouldNotSee, code, errs)
		require.Empty(t, out)
		return errs
	}
	require.Contains(t, could("verify", "--json"), "there is no ledger")
	could("rebuild")
	require.NoDirExists(t, folder)

	// These commands do not bring a ledger up to date that an older version or half an upgrade has left.
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ledgerFile), nil, 0o600))
	require.Contains(t, could("verify", "--json"), "there is no key")
	_, err := identity.DevelopmentSecret(filepath.Join(folder, personalDataKeyFile))
	require.NoError(t, err)
	require.Contains(t, could("verify", "--json"), "no such table")
	require.Contains(t, could("verify", "--json"), "no such table", "the first did not make it")

	code, _, errs := command(t, folder, "migrate")
	require.Zero(t, code, errs)
	code, out, errs := command(t, folder, "verify", "--json")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"ok":true`)
}

func TestServer_OwnsItsFolder(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	code, _, errs := command(t, settings.Data, "serve", "--listen", "127.0.0.1:0")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "another server owns")
	code, out := r.interlock(t, "healthcheck")
	require.Zero(t, code)
	require.Contains(t, out, `"ready":true`)
	run := r.publishT12(t)
	a := r.ask(t, r.passenger, placeOrderMutation, map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.NotNil(t, a.at(t, "placeOrder.order"))
	r.stop()

	again := start(t, settings)
	replay := again.ask(t, again.passenger, placeOrderMutation,
		map[string]any{"i": orderInput(run, "key-00000001", "D0000001")})
	require.Equal(t, a.at(t, "placeOrder.order.id"), replay.at(t, "placeOrder.order.id"),
		"an order outlives its server, and so does its key")
}

func TestServer_Demo(t *testing.T) {
	settings := embeddedSettings(t)
	server, err := Open(t.Context(), settings, discard())
	require.NoError(t, err)
	server.prepare("being tested")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	ok, answer, err := ready(t.Context(), server.URL())
	require.NoError(t, err)
	require.False(t, ok)
	require.Contains(t, answer, "being tested")
	const days = 2
	require.NoError(t, server.publishDemo(ctx, days))
	var out bytes.Buffer
	limited, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	require.NoError(t, server.tellDemo(limited, days, &out))
	require.Contains(t, out.String(), server.URL()+"/playground")
	require.Contains(t, out.String(), "4394 trains a day")

	r := &running{Server: server, url: server.URL()}
	tomorrow, err := demoToday()
	require.NoError(t, err)
	found := r.ask(t, "",
		`query($d:Date!){searchTickets(from:["VNP"],to:["AOH"],date:$d,first:100){nodes{classes{remaining}}}}`,
		map[string]any{"d": tomorrow.AddDays(1).String()})
	require.Len(t, found.at(t, "searchTickets.nodes"), 41)
	require.NotNil(t, found.at(t, "searchTickets.nodes.0.classes.0.remaining"))
	cancel()
	require.NoError(t, <-done)
}

// The playground in a real browser: an admin publishes T12, a passenger searches and buys it, and a third window sees
// the seat go.
func TestServer_PlaygroundInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	const folder = "../../services/gateway/playground"
	for _, needed := range []string{"dist/index.html", "node_modules/playwright-core"} {
		if _, err := os.Stat(filepath.Join(folder, needed)); err != nil {
			missing(t, "the playground is not built (make playground)")
		}
	}
	for _, tool := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed")
		}
	}
	r := start(t, embeddedSettings(t))
	script := exec.CommandContext(t.Context(), "node", "e2e/playground.e2e.mjs")
	script.Dir = folder
	script.Env = append(os.Environ(), "BASE_URL="+r.url,
		"ADMIN_TOKEN="+r.token(t, "boss", rail.RoleAdmin, rail.RolePassenger),
		"PASSENGER_TOKEN="+r.passenger, "SCREENSHOT="+filepath.Join(t.TempDir(), "playground.png"))
	out, err := script.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// missing skips a test, or fails it where everything has to be installed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("INTERLOCK_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}
