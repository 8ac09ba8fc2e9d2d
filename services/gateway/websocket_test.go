package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/identity"
	"interlock/services/rail"
)

// signed is a development token with claims of a test's choice.
func signed(t *testing.T, key []byte, subject string, expires time.Time) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": subject, "exp": expires.Unix(),
	}).SignedString(key)
	require.NoError(t, err)
	return token
}

// Where the recipes of Apollo Client, urql, graphql-ws, Relay and Hasura's clients put the token.
func TestWebSocket_TakesTheTokenWhereRecipesPutIt(t *testing.T) {
	w := start(t)
	good := w.token(t, "alice", rail.RolePassenger)
	for init, who := range map[string]string{
		`{"authorization":"Bearer TOKEN"}`:                             "alice",
		`{"Authorization":"bearer TOKEN"}`:                             "alice",
		`{"AUTHORIZATION":" BEARER  TOKEN ","other":1}`:                "alice",
		`{"Authorization":"TOKEN"}`:                                    "alice",
		`{"headers":{"authorization":"Bearer TOKEN"}}`:                 "alice",
		`{"headers":{"Authorization":"Bearer TOKEN","x-app":["a"]}}`:   "alice",
		`{"Headers":{"authorization":"TOKEN"}}`:                        "alice",
		`{"authToken":"TOKEN"}`:                                        "alice",
		`{"authtoken":"Bearer TOKEN"}`:                                 "alice",
		`{"accessToken":"TOKEN"}`:                                      "alice",
		`{"token":"TOKEN"}`:                                            "alice",
		`{"token":"TOKEN","headers":{"Authorization":"Bearer TOKEN"}}`: "alice",
		`{"authToken":null,"Authorization":"Bearer TOKEN"}`:            "alice",
		`{"authToken":null}`:                                           "nobody",
		`{"Authorization":""}`:                                         "nobody",
		`{"headers":null}`:                                             "nobody",
		`{"headers":{}}`:                                               "nobody",
		`{"session":"TOKEN"}`:                                          "nobody",
		`{}`:                                                           "nobody",
		`null`:                                                         "nobody",
	} {
		t.Run(init, func(t *testing.T) {
			p, _, err := w.dial(t)
			require.NoError(t, err)
			p.write(t, `{"type":"connection_init","payload":`+strings.ReplaceAll(init, "TOKEN", good)+`}`)
			p.want(t, "connection_ack", "", "")
			p.send(t, "subscribe", "1", query(`subscription{whoever}`))
			p.want(t, "next", "1", fmt.Sprintf(`{"data":{"whoever":%q}}`, who))
			<-w.stub.ended
		})
	}
	t.Run("in the handshake", func(t *testing.T) {
		p, _, err := w.dial(t, "Authorization", "Bearer "+good)
		require.NoError(t, err)
		p.send(t, "connection_init", "", nil)
		p.want(t, "connection_ack", "", "")
		p.send(t, "subscribe", "1", query(`subscription{whoever}`))
		p.want(t, "next", "1", `{"data":{"whoever":"alice"}}`)
		_, response, err := w.dial(t, "Authorization", "Bearer x")
		require.Error(t, err)
		require.Equal(t, 401, response.StatusCode)
	})
	t.Run("in both, of one viewer", func(t *testing.T) {
		p, _, err := w.dial(t, "Authorization", "Bearer "+good)
		require.NoError(t, err)
		p.send(t, "connection_init", "", map[string]any{"token": signed(t, secret, "alice", time.Now().Add(time.Minute))})
		p.want(t, "connection_ack", "", "")
	})
}

// brokenVerifier is a mistake of ours.
type brokenVerifier struct{ identity.Verifier }

func (v brokenVerifier) Verify(_ context.Context, token string) (*rail.Viewer, error) {
	switch token {
	case "panics":
		panic(causeText)
	case "fails":
		return nil, fmt.Errorf("no such key: %s", causeText)
	case "away":
		return nil, &rail.Error{Code: rail.Unavailable, Message: "the issuer does not answer"}
	}
	return &rail.Viewer{Subject: token}, nil
}

// Each close code of the protocol, on a real socket. A socket that is closed without a code shows 1006 to its page.
func TestWebSocket_CloseCodes(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxBodyBytes = 4096 })
	broken := start(t, func(o *gateway.Options) { o.Identity = brokenVerifier{} })
	alice, bob := w.token(t, "alice"), w.token(t, "bob")
	expired := signed(t, secret, "alice", time.Now().Add(-time.Minute))
	forged := signed(t, []byte(strings.Repeat("x", 32)), "alice", time.Now().Add(time.Hour))
	initWith := func(payload string) []string { return []string{`{"type":"connection_init","payload":` + payload + `}`} }
	inited := func(messages ...string) []string { return append([]string{`{"type":"connection_init"}`}, messages...) }
	subscribe := func(payload string) []string {
		return inited(`{"type":"subscribe","id":"1","payload":` + payload + `}`)
	}
	ticks := `{"type":"subscribe","id":"1","payload":{"query":"subscription{ticks}"}}`
	for name, c := range map[string]struct {
		to     *world
		sends  []string
		code   int
		reason string
	}{
		"not JSON":              {w, inited(`x`), 4400, "not a message of the protocol"},
		"not JSON before init":  {w, []string{`x`}, 4400, "not a message of the protocol"},
		"an array":              {w, inited(`[{"type":"ping"}]`), 4400, "not a message"},
		"a text":                {w, inited(`"ping"`), 4400, "not a message"},
		"no type":               {w, inited(`{}`), 4400, "not a message"},
		"a type of the old one": {w, inited(`{"type":"start","id":"1"}`), 4400, "not a message"},
		"a type of the server":  {w, inited(`{"type":"next","id":"1"}`), 4400, "not a message"},
		"a type as a number":    {w, inited(`{"type":5}`), 4400, "not a message"},
		"ping with a text":      {w, inited(`{"type":"ping","payload":"x"}`), 4400, "not a message"},
		"pong with a list":      {w, inited(`{"type":"pong","payload":[1]}`), 4400, "not a message"},
		"complete without id":   {w, inited(`{"type":"complete"}`), 4400, "not a message"},
		"subscribe without id": {
			w, inited(`{"type":"subscribe","payload":{"query":"{hello}"}}`), 4400, "an operation's id has 1 to 128 bytes",
		},
		"an id as a number": {
			w, inited(`{"type":"subscribe","id":1,"payload":{"query":"{hello}"}}`), 4400, "not a message",
		},
		"an id too long": {
			w, inited(`{"type":"subscribe","id":"` + strings.Repeat("x", 129) + `","payload":{"query":"{hello}"}}`), 4400,
			"an operation's id has 1 to 128 bytes",
		},
		"subscribe without payload": {
			w, inited(`{"type":"subscribe","id":"1"}`), 4400, "the payload is not a JSON object with a query",
		},
		"subscribe to nothing":         {w, subscribe(`null`), 4400, "there is no query"},
		"subscribe with a text":        {w, subscribe(`"{hello}"`), 4400, "the payload is not a JSON object"},
		"subscribe with a list":        {w, subscribe(`[{"query":"{hello}"}]`), 4400, "the payload is a list"},
		"subscribe without query":      {w, subscribe(`{"variables":{}}`), 4400, "there is no query"},
		"query is a number":            {w, subscribe(`{"query":5}`), 4400, "a value is of another type at /query"},
		"query in another case":        {w, subscribe(`{"Query":"{hello}"}`), 4400, "there is no query"},
		"variables are a list":         {w, subscribe(`{"query":"{hello}","variables":[1]}`), 4400, "at /variables"},
		"the operation's name is none": {w, subscribe(`{"query":"{hello}","operationName":7}`), 4400, "at /operationName"},
		"extensions are a text":        {w, subscribe(`{"query":"{hello}","extensions":"x"}`), 4400, "at /extensions"},
		"init with a text":             {w, initWith(`"x"`), 4400, "the payload of connection_init is not an object"},
		"init with a list":             {w, initWith(`[]`), 4400, "the payload of connection_init is not an object"},
		"headers as a text":            {w, initWith(`{"headers":"x"}`), 4400, "headers of connection_init is not an object"},
		"a token as a number":          {w, initWith(`{"authToken":5}`), 4400, "authToken of connection_init is not a text"},
		"a header as a list": {
			w, initWith(`{"headers":{"Authorization":["x"]}}`), 4400, "Authorization of connection_init is not a text",
		},
		"subscribe before init": {w, []string{ticks}, 4401, "Unauthorized"},
		"an expired token": {
			w, initWith(`{"authorization":"Bearer ` + expired + `"}`), 4403, "UNAUTHENTICATED: the token has expired",
		},
		"a forged token": {
			w, initWith(`{"headers":{"Authorization":"` + forged + `"}}`), 4403, "UNAUTHENTICATED: the token is not valid",
		},
		"another scheme": {
			w, initWith(`{"authorization":"Basic QTpC"}`), 4403,
			"UNAUTHENTICATED: the authorization is not of the form: Bearer TOKEN",
		},
		"a scheme alone": {w, initWith(`{"authorization":"Bearer "}`), 4403, "the form: Bearer TOKEN"},
		"two tokens": {
			w, initWith(`{"authToken":"` + alice + `","headers":{"authorization":"Bearer ` + bob + `"}}`), 4403,
			"UNAUTHENTICATED: connection_init has two different tokens",
		},
		"an id twice":    {w, inited(ticks, ticks), 4409, "Subscriber for 1 already exists"},
		"init twice":     {w, inited(`{"type":"connection_init"}`), 4429, "Too many initialisation requests"},
		"a mistake":      {broken, initWith(`{"token":"fails"}`), 4500, "INTERNAL: " + gateway.InternalText},
		"a panic":        {broken, initWith(`{"token":"panics"}`), 4500, "Internal server error"},
		"an issuer away": {broken, initWith(`{"token":"away"}`), 1013, "UNAVAILABLE: the issuer does not answer"},
		"a long message": {w, inited(strings.Repeat(" ", 5000)), 1009, ""},
		"a long id of ours": {
			w, inited(strings.ReplaceAll(ticks, `"1"`, `"`+strings.Repeat("北", 40)+`"`),
				strings.ReplaceAll(ticks, `"1"`, `"`+strings.Repeat("北", 40)+`"`)), 4409, "Subscriber for 北北",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := c.to.dial(t)
			require.NoError(t, err)
			for _, text := range c.sends {
				p.write(t, text)
			}
			if c.sends[0] == `{"type":"connection_init"}` {
				p.want(t, "connection_ack", "", "")
			}
			reason := p.wantClose(t, c.code)
			require.Contains(t, reason, c.reason)
			require.NotContains(t, reason, "hunter2")
			require.True(t, utf8.ValidString(reason), "a browser takes no other reason")
		})
	}
	t.Run("bytes", func(t *testing.T) {
		p := w.call(t, nil)
		require.NoError(t, p.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"ping"}`)))
		require.Contains(t, p.wantClose(t, 4400), "not a message")
	})
	t.Run("the tokens of two viewers", func(t *testing.T) {
		p, _, err := w.dial(t, "Authorization", "Bearer "+alice)
		require.NoError(t, err)
		p.send(t, "connection_init", "", map[string]any{"authToken": bob})
		require.Contains(t, p.wantClose(t, 4403), "tokens of two viewers")
	})
	require.Contains(t, broken.log.String(), "hunter2", "the log has the panic")
	require.Empty(t, w.log.String())
}

// A socket of another protocol is opened, so that a browser shows its page why it is closed.
func TestWebSocket_AnotherProtocol(t *testing.T) {
	w := start(t)
	for name, protocols := range map[string][]string{
		"the old one":    {"graphql-ws"},
		"several":        {"x", "graphql-ws"},
		"none":           nil,
		"one too long":   {strings.Repeat("x", 65)},
		"almost as ours": {"graphql-transport-ws2"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, response, err := websocket.Dial(t.Context(), w.url+"/graphql", &websocket.DialOptions{
				HTTPClient: w.client, Subprotocols: protocols,
			})
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.CloseNow() })
			want := ""
			if len(protocols) > 0 && len(protocols[0]) <= 64 {
				want = protocols[0]
			}
			require.Equal(t, want, response.Header.Get("Sec-WebSocket-Protocol"), "a browser insists on one of its own")
			reason := (&phone{conn}).wantClose(t, 4406)
			require.Equal(t, "Subprotocol not acceptable: this server speaks graphql-transport-ws", reason)
		})
	}
	t.Run("ours among others", func(t *testing.T) {
		conn, response, err := websocket.Dial(t.Context(), w.url+"/graphql", &websocket.DialOptions{
			HTTPClient: w.client, Subprotocols: []string{"graphql-ws", "graphql-transport-ws"},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.CloseNow() })
		require.Equal(t, "graphql-transport-ws", response.Header.Get("Sec-WebSocket-Protocol"))
		p := &phone{conn}
		p.send(t, "connection_init", "", nil)
		p.want(t, "connection_ack", "", "")
	})
	require.Eventually(t, func() bool {
		return strings.Contains(w.do(t, http.MethodGet, "/metrics", "").raw, `interlock_streams{transport="websocket"} 0`)
	}, patience, time.Millisecond, "each is counted out")
}

func TestWebSocket_PingBeforeInit(t *testing.T) {
	w := start(t)
	p, _, err := w.dial(t)
	require.NoError(t, err)
	p.send(t, "ping", "", map[string]any{"n": 1})
	p.want(t, "pong", "", `{"n":1}`)
	p.send(t, "ping", "", nil)
	p.want(t, "pong", "", "")
	p.send(t, "pong", "", nil)
	p.send(t, "complete", "1", nil)
	p.send(t, "connection_init", "", nil)
	p.want(t, "connection_ack", "", "")
	p.send(t, "subscribe", "q", query(`{hello}`))
	p.want(t, "next", "q", `{"data":{"hello":"hello"}}`)
}

// A mistake in one operation's text ends that operation alone: a cut emoji in a name must not end all that is watched.
func TestWebSocket_MistakesOfOneOperation(t *testing.T) {
	w := start(t)
	p := w.call(t, nil)
	p.send(t, "subscribe", "ticks", query(`subscription{ticks}`))
	for payload, code := range map[string]string{
		`{"query":"query($n:String){hello(name:$n)}","variables":{"n":"\ud83d"}}`:     "BAD_USER_INPUT",
		`{"query":"{hello}","query":"{who}"}`:                                         "BAD_USER_INPUT",
		`{"query":"{hello}","Variables":{}}`:                                          "BAD_USER_INPUT",
		`{"query":"{"}`:                                                               "GRAPHQL_PARSE_FAILED",
		`{"query":"{nothing}"}`:                                                       "GRAPHQL_VALIDATION_FAILED",
		`{"query":"","extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`: "PERSISTED_QUERY_NOT_SUPPORTED",
	} {
		p.write(t, `{"type":"subscribe","id":"1","payload":`+payload+`}`)
		m, err := p.read(t)
		require.NoError(t, err, payload)
		require.Equal(t, "error", m.Type, payload)
		var errs []graphqlError
		require.NoError(t, json.Unmarshal(m.Payload, &errs))
		require.Equal(t, code, errs[0].Extensions["code"], payload)
	}
	w.stub.ticks <- 7
	p.want(t, "next", "ticks", `{"data":{"ticks":7}}`)
}

func TestWebSocket_TooManyOperations(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxOperationsPerSocket = 2 })
	p := w.call(t, nil)
	p.send(t, "subscribe", "1", query(`subscription{ticks}`))
	p.send(t, "subscribe", "2", query(`subscription{ticks}`))
	p.send(t, "subscribe", "3", query(`subscription{ticks}`))
	m, err := p.read(t)
	require.NoError(t, err)
	require.Equal(t, "error", m.Type)
	require.Equal(t, "3", m.ID)
	require.Contains(t, string(m.Payload), "OVERLOADED")
	p.send(t, "complete", "1", nil)
	<-w.stub.ended
	require.Eventually(t, func() bool {
		p.send(t, "subscribe", "4", query(`{hello}`))
		m, err := p.read(t)
		require.NoError(t, err)
		return m.Type == "next"
	}, patience, time.Millisecond, "one that ended makes room")
}
