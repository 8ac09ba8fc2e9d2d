package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"interlock/services/rail"
)

// subprotocol is the only GraphQL protocol here on a WebSocket. The older one, "graphql-ws", is no longer maintained.
const subprotocol = "graphql-transport-ws"

// The close codes of the protocol (PROTOCOL.md of graphql-ws, and its CloseCode).
const (
	closeBadRequest   = 4400 // not a message of the protocol
	closeUnauthorized = 4401 // an operation before connection_ack
	closeForbidden    = 4403 // the token is not valid, or over
	closeSubprotocol  = 4406 // the client speaks another protocol
	closeInitTimeout  = 4408 // no connection_init within initTimeout
	closeDuplicate    = 4409 // an operation's id is taken
	closeTooManyInits = 4429 // a second connection_init
	closeInternal     = 4500 // a mistake of the server
)

// maxOperationIDBytes is far above a UUID's 36.
const maxOperationIDBytes = 128

// websocketTransport is GraphQL over WebSockets, by the protocol graphql-transport-ws: many operations on one
// connection, each with an id. An operation passes the same limits as one over HTTP. An operation that was not executed
// ends with "error", and so does a subscription that the client should try again. "complete" is the regular end only.
type websocketTransport struct{ g *Gateway }

var _ graphql.Transport = websocketTransport{}

// Supports implements graphql.Transport.
func (t websocketTransport) Supports(r *http.Request) bool { return isWebSocket(r) }

// Do implements graphql.Transport. It checks the handshake while a refusal can still be an HTTP response, counts the
// socket in, and serves it until it is closed.
func (t websocketTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	g := t.g
	if message := badHandshake(r); message != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		g.refuse(w, r, http.StatusBadRequest, rail.Refuse(rail.BadUserInput, "%s", message))
		return
	}
	if _, err := streamTicketIn(r); err != nil {
		g.refuseUnread(w, r, err)
		return
	}
	s := &webSocket{g: g, exec: exec, header: r.Header, running: map[string]*running{}}
	s.ctx, s.cancel = context.WithCancel(r.Context())
	defer s.cancel()
	viewer := rail.ViewerFrom(r.Context())
	s.address = addressOf(r, g.options.TrustedProxies)
	who := ownedBy(viewer, s.address)
	who.pending = viewer == nil
	entry, err := g.streams.enter(s, who)
	if err != nil {
		g.refuseUnread(w, r, err)
		return
	}
	defer entry.leave()
	s.entry = entry
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: acceptable(r),
		// serveGraphQL has checked the origin, by the rules of all transports.
		InsecureSkipVerify: true,
	})
	if err != nil {
		return // The library has written the response.
	}
	conn.SetReadLimit(g.options.MaxBodyBytes)
	s.serve(rail.WithClient(s.ctx, rail.Client{Address: s.address, Stream: entry.id}), conn)
}

// badHandshake says what is wrong with the request that opens a WebSocket; "" is nothing. The library would answer in
// plain text.
func badHandshake(r *http.Request) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	switch {
	case !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1 || !hasToken(r.Header.Values("Connection"), "upgrade"):
		return "a WebSocket is opened with HTTP/1.1 and Connection: Upgrade"
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "a WebSocket is opened with Sec-WebSocket-Version: 13"
	case err != nil || len(key) != 16 || len(r.Header.Values("Sec-WebSocket-Key")) != 1:
		return "a WebSocket is opened with one Sec-WebSocket-Key of 16 bytes"
	}
	return ""
}

// maxEchoBytes is how long the name of a foreign protocol may be that is repeated to its client.
const maxEchoBytes = 64

// acceptable are the subprotocols that the handshake takes: ours, or else the first that the client names. A socket
// with a foreign protocol is closed with 4406 once it is open. A browser shows its page that code only if the handshake
// succeeds, and it lets no handshake succeed that takes none of the protocols it named.
func acceptable(r *http.Request) []string {
	first, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ",")
	if first = strings.TrimSpace(first); first == "" || len(first) > maxEchoBytes {
		return []string{subprotocol}
	}
	return []string{subprotocol, first}
}

// webSocket is one WebSocket. One goroutine takes its messages, one after the other, and checks the operations in them:
// so the server holds one unread message of a client at most. Each operation has a goroutine of its own, which writes
// its messages.
type webSocket struct {
	g       *Gateway
	exec    graphql.GraphExecutor
	header  http.Header
	address netip.Prefix
	entry   *streamEntry
	// ctx is the parent of every operation's context. It ends with the socket.
	ctx    context.Context
	cancel context.CancelFunc
	// tasks are the goroutines of the socket.
	tasks sync.WaitGroup

	mu sync.Mutex
	// conn is nil until the handshake is over.
	conn *websocket.Conn
	// closing is true once the connection is being closed.
	closing bool
	// farewell is how the connection ends once all queries and mutations are answered; nil while it goes on.
	farewell *farewell
	expiry   *time.Timer
	// running are the operations by id, until they end or the client completes them.
	running map[string]*running
	// open is how many operations have not ended, and answering how many of these are no subscriptions.
	open, answering int
}

// serve reads from a new connection until it ends.
func (s *webSocket) serve(ctx context.Context, conn *websocket.Conn) {
	s.mu.Lock()
	s.conn = conn
	over := s.closing
	s.mu.Unlock()
	if over {
		// The server went away during the handshake.
		_ = conn.CloseNow()
		return
	}
	defer s.tasks.Wait()
	defer s.cut()
	defer func() {
		if cause := recover(); cause != nil {
			_ = s.g.presenter.recovered(ctx, cause) // It is logged; the client is told the code alone.
			s.hangUp(closeInternal, "Internal server error")
		}
	}()
	if !strings.EqualFold(conn.Subprotocol(), subprotocol) {
		s.hangUp(closeSubprotocol, "Subprotocol not acceptable: this server speaks "+subprotocol)
		return
	}
	s.tasks.Go(s.ping)
	s.listen(ctx)
}

// listen takes messages until the connection is being closed.
func (s *webSocket) listen(ctx context.Context) {
	late := time.AfterFunc(initTimeout, func() { s.hangUp(closeInitTimeout, "Connection initialisation timeout") })
	defer late.Stop()
	inited := false
	for {
		message, ok := s.read()
		switch {
		case !ok:
			return
		case message.Type == "ping" && message.hasObject():
			s.write(&envelope{Type: "pong", Payload: message.Payload})
		case message.Type == "pong" && message.hasObject():
		case message.Type == "connection_init" && inited:
			s.hangUp(closeTooManyInits, "Too many initialisation requests")
			return
		case message.Type == "connection_init":
			late.Stop()
			inited = true
			if ctx, ok = s.init(ctx, message.Payload); !ok {
				return
			}
		case message.Type == "subscribe" && !inited:
			s.hangUp(closeUnauthorized, "Unauthorized")
			return
		case message.Type == "subscribe":
			if !s.subscribe(ctx, message) {
				return
			}
		case message.Type == "complete" && message.ID != "":
			s.completed(message.ID)
		default:
			s.hangUp(closeBadRequest, "not a message of the protocol")
			return
		}
	}
}
