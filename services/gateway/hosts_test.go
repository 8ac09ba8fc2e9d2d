package gateway_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

// hosted sends a request to the server under a name of the caller's choice.
func (w *world) hosted(t *testing.T, method, path, host, body string, headers ...string) *reply {
	t.Helper()
	return w.do(t, method, path, body, append(headers, "Host", host)...)
}

func TestHosts(t *testing.T) {
	w := start(t, withPages, func(o *gateway.Options) { o.Hosts = []string{"tickets.example.com", "2001:db8::1"} })
	_, port, err := net.SplitHostPort(w.host)
	require.NoError(t, err)
	json := []string{"Content-Type", "application/json"}
	for host, answered := range map[string]bool{
		w.host:                          true,
		"127.0.0.1":                     true,
		"127.1.2.3:" + port:             true,
		"localhost:" + port:             true,
		"LOCALHOST.":                    true,
		"[::1]:" + port:                 true,
		"[::ffff:127.0.0.1]":            true,
		"tickets.example.com":           true,
		"Tickets.Example.com:443":       true,
		"tickets.example.com.":          true,
		"[2001:db8::1]:8080":            true,
		"evil.example.com":              false,
		"evil.example.com:" + port:      false,
		"tickets.example.com.evil.test": false,
		"localhost.evil.test":           false,
		"127.0.0.1.nip.test":            false,
		"0.0.0.0:" + port:               false,
		"192.0.2.1:" + port:             false,
		"[2001:db8::2]:8080":            false,
	} {
		t.Run(host, func(t *testing.T) {
			// A page that rebinds its name is of one origin with what it asks, so that no other rule stops it.
			same := []string{"Origin", "http://" + host, "Sec-Fetch-Site", "same-origin"}
			sold := w.stub.sold
			replies := map[string]*reply{
				"POST": w.hosted(t, "POST", "/graphql", host, `{"query":"mutation{sell(count:1)}"}`,
					append(same, json...)...),
				"GET": w.hosted(t, "GET", "/graphql?query={hello}", host, "", same[2:]...),
				"SSE": w.hosted(t, "POST", "/graphql", host, `{"query":"subscription{whoever}"}`,
					append(append([]string{"Accept", "text/event-stream"}, same...), json...)...),
				"schema":  w.hosted(t, "GET", "/schema.graphql", host, ""),
				"metrics": w.hosted(t, "GET", "/metrics", host, ""),
				"webhook": w.hosted(t, "POST", "/webhooks/bank", host, "{}"),
				"preflight": w.hosted(t, "OPTIONS", "/graphql", host, "", "Origin", "http://"+host,
					"Access-Control-Request-Method", "POST"),
			}
			for name, r := range replies {
				if answered {
					require.Contains(t, []int{200, 204}, r.status, name)
					continue
				}
				require.Equal(t, http.StatusMisdirectedRequest, r.status, name)
				require.Equal(t, "FORBIDDEN", r.code(), name)
				require.Contains(t, r.Errors[0].Message, "--hosts", name)
				require.Empty(t, r.header.Get("Access-Control-Allow-Origin"))
			}
			if answered {
				sold++
			}
			require.Equal(t, sold, w.stub.sold)
			if !answered {
				require.Equal(t, http.StatusMisdirectedRequest, w.hosted(t, "GET", "/nothing", host, "").status)
			}
			// Probes know an address, not a name.
			require.Equal(t, 200, w.hosted(t, "GET", "/livez", host, "").status)
			require.Equal(t, 200, w.hosted(t, "GET", "/readyz", host, "").status)

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			socket, response, err := websocket.Dial(ctx, strings.Replace(w.url, "http", "ws", 1)+"/graphql",
				&websocket.DialOptions{
					HTTPClient: w.client, Host: host, Subprotocols: []string{"graphql-transport-ws"},
				})
			if answered {
				require.NoError(t, err)
				require.NoError(t, socket.CloseNow())
				return
			}
			require.Error(t, err)
			require.Equal(t, http.StatusMisdirectedRequest, response.StatusCode)
		})
	}
}

func TestHosts_Settings(t *testing.T) {
	w := prepare(t)
	for _, bad := range []string{
		"", "https://tickets.example.com", "tickets.example.com:443", "tickets.example.com/x", "*.example.com", "a b",
		"a:b:c",
	} {
		_, err := gateway.New(gateway.Options{Schema: w.stub, Identity: w.tokens, Hosts: []string{bad}})
		require.Error(t, err, bad)
	}
	open := start(t, func(o *gateway.Options) { o.Hosts = []string{"*"} })
	require.Equal(t, 200, open.hosted(t, "GET", "/graphql?query={hello}", "anything.example.com", "").status)
}
