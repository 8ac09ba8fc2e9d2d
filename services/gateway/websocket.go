package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
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

// The close codes of the protocol, and why they are sent.
const (
	closeBadRequest     = 4400
	closeUnauthorized   = 4401
	closeForbidden      = 4403
	closeInitTimeout    = 4408
	closeDuplicate      = 4409
	closeTooManyInits   = 4429
	maxCloseReasonBytes = 123 // what a close frame holds
	maxOperationIDBytes = 128 // a UUID has 36
)

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
		Subprotocols: []string{subprotocol},
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
	case !hasToken(r.Header.Values("Sec-WebSocket-Protocol"), subprotocol):
		return "the WebSocket's protocol is " + subprotocol
	}
	return ""
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
	s.tasks.Go(s.ping)
	late := time.AfterFunc(initTimeout, func() { s.hangUp(closeInitTimeout, "Connection initialisation timeout") })
	defer late.Stop()
	inited := false
	for {
		message, ok := s.read()
		switch {
		case !ok:
			return
		case message.Type == "ping":
			s.write(&envelope{Type: "pong", Payload: message.Payload})
		case message.Type == "pong":
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
		case message.Type == "complete":
			s.completed(message.ID)
		default:
			s.hangUp(closeBadRequest, "not a message of the protocol")
			return
		}
	}
}

// init reads the token out of the connection's first message, and counts the socket for its viewer. A token must be
// valid. Without one, the Authorization of the handshake counts: browsers cannot send it, other clients can. init
// returns the context with the viewer, and false where it closes the connection.
func (s *webSocket) init(ctx context.Context, payload json.RawMessage) (context.Context, bool) {
	authorization, ok := authorizationIn(payload)
	if !ok {
		s.hangUp(closeBadRequest, "the payload of connection_init is not an object")
		return nil, false
	}
	viewer, err := s.g.viewerOf(ctx, authorization)
	if err != nil {
		code := closeForbidden
		if rail.CodeOf(err) != rail.Unauthenticated {
			code = int(websocket.StatusTryAgainLater)
		}
		s.refuse(ctx, code, err)
		return nil, false
	}
	if viewer == nil {
		viewer = rail.ViewerFrom(ctx)
	}
	if err := s.entry.give(ownedBy(viewer, s.address)); err != nil {
		s.refuse(ctx, int(websocket.StatusTryAgainLater), err)
		return nil, false
	}
	if viewer != nil {
		ctx = rail.WithViewer(ctx, viewer)
		if !viewer.Expires.IsZero() {
			s.closeAt(viewer.Expires)
		}
	}
	s.write(&envelope{Type: "connection_ack"})
	return ctx, true
}

// authorizationIn are the values of "authorization", in any case, in the payload of connection_init. It returns false
// where the payload is not an object. A value that is not a string is given as a text that is no token.
func authorizationIn(payload json.RawMessage) (authorization []string, ok bool) {
	var fields map[string]any
	if len(payload) > 0 && json.Unmarshal(payload, &fields) != nil {
		return nil, false
	}
	for name, value := range fields {
		if !strings.EqualFold(name, "authorization") || value == nil {
			continue
		}
		text, ok := value.(string)
		if !ok {
			text = "not a string"
		}
		authorization = append(authorization, text)
	}
	return authorization, true
}
