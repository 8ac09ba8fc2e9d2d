package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
	"interlock/services/watch"
)

// dial opens a WebSocket to a server.
func dial(t *testing.T, url string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/graphql",
		&websocket.DialOptions{
			Subprotocols: []string{"graphql-transport-ws"},
		})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, response, err
}

// events asks for a subscription over server-sent events; the body is the caller's to close.
func events(t *testing.T, url, query string) *http.Response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql",
		strings.NewReader(string(body)))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	return response
}

// said is a message of graphql-transport-ws.
type said struct {
	ID, Type string
	Payload  json.RawMessage
}

func say(t *testing.T, socket *websocket.Conn, message any) {
	t.Helper()
	require.NoError(t, wsjson.Write(t.Context(), socket, message))
}

func hear(t *testing.T, socket *websocket.Conn) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var message said
	require.NoError(t, wsjson.Read(ctx, socket, &message))
	return message
}

// A server listens before it has read its timetable. A subscriber is told to come back then, and finds the timetable
// there.
func TestServer_StreamsWhileItStarts(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	run := r.publishT12(t)
	r.stop()

	server, err := Open(t.Context(), settings, discard())
	require.NoError(t, err)
	early, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	httpServer := gateway.NewServer(server.gateway)
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(early) }()
	url := "http://" + early.Addr().String()
	query := `subscription{seatAvailability(runIds:["` + run + `"]){version}}`

	_, response, err := dial(t, url)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, "2", response.Header.Get("Retry-After"))
	response = events(t, url, query)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Equal(t, "2", response.Header.Get("Retry-After"))

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	var socket *websocket.Conn
	require.Eventually(t, func() bool {
		socket, response, err = dial(t, url)
		if err != nil {
			require.NotNil(t, response)
			require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		}
		return err == nil
	}, 20*time.Second, time.Millisecond)
	say(t, socket, map[string]any{"type": "connection_init"})
	require.Equal(t, "connection_ack", hear(t, socket).Type)
	say(t, socket, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": query}})
	require.Equal(t, "next", hear(t, socket).Type)
	require.NoError(t, socket.CloseNow())
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, httpServer.Shutdown(t.Context()))
	require.NoError(t, <-served)
}

// Sockets without a token at one address cannot take all that a server has. Once they took it with 201 sockets and
// 20,000 subscriptions.
func TestServer_OneAddressDoesNotTakeAllSubscriptions(t *testing.T) {
	r := start(t, embeddedSettings(t))
	run := r.publishT12(t)
	query := `subscription{seatAvailability(runIds:["` + run + `"]){version}}`
	var sockets []*websocket.Conn
	for range gateway.DefaultMaxStreamsPerAddress {
		socket, _, err := dial(t, r.url)
		require.NoError(t, err)
		say(t, socket, map[string]any{"type": "connection_init"})
		require.Equal(t, "connection_ack", hear(t, socket).Type)
		sockets = append(sockets, socket)
	}
	one, _, err := dial(t, r.url)
	require.NoError(t, err)
	say(t, one, map[string]any{"type": "connection_init"})
	var refused said
	err = wsjson.Read(t.Context(), one, &refused)
	require.Equal(t, websocket.StatusTryAgainLater, websocket.CloseStatus(err))
	require.ErrorContains(t, err, "OVERLOADED: 200 streams without a token are open from your address")
	response := events(t, r.url, query)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)

	const each = watch.DefaultMaxWatchedPerAddress/gateway.DefaultMaxStreamsPerAddress + 1
	begun, full := 0, 0
	for _, socket := range sockets {
		for i := range each {
			say(t, socket, map[string]any{
				"type": "subscribe", "id": string(rune('A' + i)), "payload": map[string]any{"query": query},
			})
		}
		for range each {
			switch message := hear(t, socket); message.Type {
			case "next":
				begun++
			case "error":
				full++
				require.Contains(t, string(message.Payload), `"OVERLOADED"`)
				require.Contains(t, string(message.Payload), "at your address may watch 5000")
			default:
				t.Fatalf("%+v", message)
			}
		}
	}
	require.Equal(t, watch.DefaultMaxWatchedPerAddress, begun)
	require.Equal(t, gateway.DefaultMaxStreamsPerAddress, full)

	// Other addresses have theirs.
	next := r.watch(t, r.token(t, "ann", rail.RolePassenger), watchSubscription, map[string]any{"r": []string{run}})
	require.Equal(t, "next", next()["type"])
}

func TestSettings_OfStreams(t *testing.T) {
	_, out, errs := configIn(t, "")
	for _, line := range []string{
		"max-streams-per-viewer: 20", "max-watched-per-viewer: 1000", "max-streams-per-address: 200",
		"max-watched-per-address: 5000",
		"trusted-proxies: []",
	} {
		require.Contains(t, out, "\n"+line+"\n", errs)
	}
	for wrong, change := range map[string]func(*Settings){
		"--max-streams-per-viewer is at least 1, not 0":   func(s *Settings) { s.MaxStreamsPerViewer = 0 },
		"--max-watched-per-viewer is at least 1, not 0":   func(s *Settings) { s.MaxWatchedPerViewer = 0 },
		"--max-streams-per-address is at least 1, not 0":  func(s *Settings) { s.MaxStreamsPerAddress = 0 },
		"--max-watched-per-address is at least 1, not -1": func(s *Settings) { s.MaxWatchedPerAddress = -1 },
		`"10.0.0.0/33" is neither an address nor a network`: func(s *Settings) {
			s.TrustedProxies = []string{"10.0.0.0/33"}
		},
		`"proxy.example.com" is neither an address nor a network`: func(s *Settings) {
			s.TrustedProxies = []string{
				"10.0.0.1", "proxy.example.com",
			}
		},
	} {
		settings := embeddedSettings(t)
		require.NoError(t, settings.validate())
		change(settings)
		require.ErrorContains(t, settings.validate(), wrong)
	}
	settings := embeddedSettings(t)
	settings.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.1", "fd00::/8"}
	networks, err := settings.trustedProxies()
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8"),
	}, networks)
}
