package main

import (
	"bytes"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExposure_OffLoopbackNeedsToBeTold(t *testing.T) {
	issuer := func(s *Settings) { s.OIDCIssuer, s.OIDCAudience = "https://login.example.com", "tickets" }
	tokens := func(s *Settings) { s.InsecureDevelopmentTokens = true }
	sandbox := func(s *Settings) { s.InsecureSandboxPayments = true }
	none := func(s *Settings) { s.Payments = "none" }
	bank := func(s *Settings) { s.Payments = "bank" }
	stripe := func(s *Settings) { s.Payments = "stripe" }
	const bothSaid = "--insecure-development-tokens --insecure-sandbox-payments"
	for name, c := range map[string]struct {
		listen  string
		change  []func(*Settings)
		refused string // the flags that the refusal names
	}{
		"loopback":                 {listen: "127.0.0.1:8080"},
		"another of loopback":      {listen: "127.8.9.10:0"},
		"loopback of IPv6":         {listen: "[::1]:8080"},
		"loopback of IPv4 in IPv6": {listen: "[::ffff:127.0.0.1]:8080"},
		"localhost":                {listen: "localhost:8080"},
		"no address":               {":8080", nil, bothSaid},
		"all of IPv4":              {"0.0.0.0:8080", nil, bothSaid},
		"all of IPv6":              {"[::]:8080", nil, bothSaid},
		"all of IPv4 in IPv6":      {"[::ffff:0.0.0.0]:8080", nil, bothSaid},
		"an address":               {"192.0.2.1:8080", nil, bothSaid},
		"a private address":        {"10.0.0.1:8080", nil, bothSaid},
		"an address with a zone":   {"[fe80::1%lo]:8080", nil, bothSaid},
		"a name in front": {
			"127.0.0.1:8080",
			[]func(*Settings){func(s *Settings) { s.Hosts = []string{"tickets.example.com"} }},
			bothSaid,
		},
		"any name": {
			"127.0.0.1:8080", []func(*Settings){func(s *Settings) { s.Hosts = []string{"*"} }}, bothSaid,
		},
		"a proxy in front": {
			"127.0.0.1:8080",
			[]func(*Settings){func(s *Settings) { s.TrustedProxies = []string{"127.0.0.1"} }},
			bothSaid,
		},
		"names of loopback": {"127.0.0.1:8080", []func(*Settings){func(s *Settings) {
			s.Hosts = []string{
				"localhost", "[::1]", "127.0.0.1",
			}
		}}, ""},
		"an issuer, a sandbox":        {":8080", []func(*Settings){issuer}, "--insecure-sandbox-payments"},
		"an issuer, no payments":      {":8080", []func(*Settings){issuer, none}, ""},
		"an issuer, a sandbox told":   {":8080", []func(*Settings){issuer, sandbox}, ""},
		"development, no payments":    {":8080", []func(*Settings){none}, "--insecure-development-tokens"},
		"development told, a sandbox": {":8080", []func(*Settings){tokens}, "--insecure-sandbox-payments"},
		"both told":                   {":8080", []func(*Settings){tokens, sandbox}, ""},
		"an issuer, a sandbox bank":   {":8080", []func(*Settings){issuer, bank}, "--insecure-sandbox-payments"},
		"an issuer, a bank told":      {":8080", []func(*Settings){issuer, bank, sandbox}, ""},
		"an issuer, Stripe":           {":8080", []func(*Settings){issuer, stripe}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			settings := embeddedSettings(t)
			settings.Listen = c.listen
			for _, change := range c.change {
				change(settings)
			}
			err := settings.checkExposure(t.Context())
			if c.refused == "" {
				require.NoError(t, err)
				return
			}
			for _, flag := range []string{"--insecure-development-tokens", "--insecure-sandbox-payments"} {
				if bytes.Contains([]byte(c.refused), []byte(flag)) {
					require.ErrorContains(t, err, flag)
				} else {
					require.NotContains(t, err.Error(), flag)
				}
			}
			_, err = Open(t.Context(), settings, discard())
			require.ErrorContains(t, err, "insecure")
			require.NoDirExists(t, settings.Data, "nothing is opened")
		})
	}
	settings := embeddedSettings(t)
	settings.Listen = "8080"
	require.ErrorContains(t, settings.checkExposure(t.Context()), "--listen")
}

func TestExposure_Commands(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	t.Chdir(t.TempDir())
	t.Setenv("INTERLOCK_LISTEN", "0.0.0.0:0")
	for _, arguments := range [][]string{
		{"serve"}, {"serve", "--demo"}, {"token", "--role", "ADMIN", "--subject", "boss"},
	} {
		code, out, errs := command(t, folder, arguments...)
		require.Equal(t, exitCouldNotSee, code, arguments)
		require.Empty(t, out)
		require.Contains(t, errs, "--insecure-development-tokens")
		require.NoDirExists(t, folder)
	}
	t.Setenv("INTERLOCK_INSECURE_DEVELOPMENT_TOKENS", "true")
	t.Setenv("INTERLOCK_INSECURE_SANDBOX_PAYMENTS", "true")
	code, out, errs := command(t, folder, "token", "--role", "ADMIN", "--subject", "boss")
	require.Zero(t, code, errs)
	require.NotEmpty(t, out)
	t.Setenv("INTERLOCK_OIDC_ISSUER", "https://login.example.com")
	code, _, errs = command(t, folder, "token", "--role", "ADMIN", "--subject", "boss")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "no development tokens")
}

// A server that others can reach prints no admin's token, and answers to the address a connection came to.
func TestExposure_TheDemoPrintsNoAdminsToken(t *testing.T) {
	settings := embeddedSettings(t)
	near := start(t, settings)
	var out bytes.Buffer
	require.NoError(t, near.tellDemo(t.Context(), 1, &out))
	require.Contains(t, out.String(), "/playground#token=ey")

	settings = embeddedSettings(t)
	settings.Listen, settings.InsecureDevelopmentTokens, settings.InsecureSandboxPayments = "0.0.0.0:0", true, true
	settings.Hosts = []string{"tickets.example.com"}
	far := start(t, settings)
	out.Reset()
	require.NoError(t, far.tellDemo(t.Context(), 1, &out))
	require.NotContains(t, out.String(), "#token=")
	require.Contains(t, out.String(), "interlock token --role ADMIN,PASSENGER --subject demo-admin")

	client := &http.Client{Timeout: 10 * time.Second}
	for host, status := range map[string]int{
		"tickets.example.com": 200, "127.0.0.1": 200, "evil.example.com": 421, "192.0.2.7": 421,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, far.url+"/schema.graphql", nil)
		require.NoError(t, err)
		request.Host = host
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, host)
	}
	client.CloseIdleConnections()
}
