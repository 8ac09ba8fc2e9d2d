package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// subprotocol is the one GraphQL protocol we speak on a WebSocket; its older namesake "graphql-ws" is dead.
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
	// gqlgenInitTimeout is why gqlgen closes a socket that said nothing; it has no code of its own.
	gqlgenInitTimeout = "connection initialisation timeout"
)

type socketKey struct{}

// socketTransport is gqlgen's WebSocket transport over sockets of ours.
func (g *Gateway) socketTransport() graphql.Transport {
	limit := g.options.MaxBodyBytes
	return transport.Websocket{
		Implementation:   acceptor{},
		InitFunc:         g.initSocket,
		InitTimeout:      initTimeout,
		PayloadReadLimit: &limit,
	}
}

// serveSocket checks the handshake while a refusal can still be an HTTP answer, counts the socket in, and hands over to
// gqlgen until it is closed.
func (g *Gateway) serveSocket(w http.ResponseWriter, r *http.Request) {
	if message := badHandshake(r); message != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		g.refuse(w, r, http.StatusBadRequest, rail.Refuse(rail.BadUserInput, "%s", message))
		return
	}
	s := newSocket(g.options.MaxOperationsPerSocket)
	leave, ok := g.streams.enter(s)
	if !ok {
		g.refuse(w, r, http.StatusServiceUnavailable, tooManyStreams)
		return
	}
	defer leave()
	defer s.wait()
	g.graphql.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), socketKey{}, s)))
}

// badHandshake says what is wrong with a WebSocket's opening request; the library would say it in plain text.
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

// initSocket reads the token out of the connection's first message. One that is there must be right; without one, the
// handshake's own Authorization counts, which browsers cannot send and others can.
func (g *Gateway) initSocket(ctx context.Context, payload transport.InitPayload) (context.Context, *transport.InitPayload, error) {
	var authorization []string
	for name, value := range payload {
		if !strings.EqualFold(name, "authorization") || value == nil {
			continue
		}
		text, ok := value.(string)
		if !ok {
			text = "not a string"
		}
		authorization = append(authorization, text)
	}
	viewer, err := g.viewerOf(ctx, authorization)
	if err != nil {
		told := g.faults.present(ctx, err)
		reason := codeOf(told) + ": " + told.Message
		ctx = transport.WithWebsocketCloseCode(ctx, closeForbidden)
		return transport.AppendCloseReason(ctx, reason[:min(len(reason), maxCloseReasonBytes)]), nil, err
	}
	if viewer == nil {
		viewer = rail.ViewerFrom(ctx)
	}
	if viewer == nil {
		return ctx, nil, nil
	}
	if s, ok := ctx.Value(socketKey{}).(*socket); ok && !viewer.Expires.IsZero() {
		s.closeAt(viewer.Expires)
	}
	return rail.WithViewer(ctx, viewer), nil, nil
}

// acceptor opens sockets for gqlgen.
type acceptor struct{}

var _ transport.WebsocketImplementation = acceptor{}

// Accept implements transport.WebsocketImplementation.
func (acceptor) Accept(w http.ResponseWriter, r *http.Request, _ transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	s, ok := r.Context().Value(socketKey{}).(*socket)
	if !ok {
		return nil, errors.New("a WebSocket came past the door")
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol},
		// Origins were checked at the door, by the rules that hold for every way in.
		InsecureSkipVerify: true,
	})
	if err != nil {
		return nil, err
	}
	s.start(conn)
	return s, nil
}

// socket is one WebSocket, between gqlgen and the library. It keeps the protocol's rules that gqlgen leaves out (one
// init, one operation per id, how many), and bounds every write. gqlgen sees ids of the socket's own making: it mixes
// operations up when a client uses an id again at once.
type socket struct {
	limit int
	// done is closed when the socket is on its way down.
	done chan struct{}
	// tasks are the goroutines of the socket.
	tasks sync.WaitGroup

	mu      sync.Mutex
	conn    *websocket.Conn
	closing bool
	expiry  *time.Timer
	inited  bool
	acked   bool
	last    int
	inner   map[string]string // the client's ids → gqlgen's
	outer   map[string]string // and back
}

func newSocket(limit int) *socket {
	return &socket{limit: limit, done: make(chan struct{}), inner: map[string]string{}, outer: map[string]string{}}
}

func (s *socket) start(conn *websocket.Conn) {
	s.mu.Lock()
	s.conn = conn
	gone := s.closing
	if !gone {
		s.tasks.Go(s.ping)
	}
	s.mu.Unlock()
	if gone {
		// The server went away during the handshake.
		_ = conn.CloseNow()
	}
}

// ping keeps proxies from cutting an idle connection, and finds clients that are gone. It uses WebSocket's own pings,
// which every client answers by itself.
func (s *socket) ping() {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
			err := s.conn.Ping(ctx)
			cancel()
			if err != nil {
				_ = s.Close()
				return
			}
		}
	}
}

// wait returns when nothing of the socket runs any more.
func (s *socket) wait() {
	_ = s.Close()
	s.tasks.Wait()
}

// closeAt ends the socket with its token.
func (s *socket) closeAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.expiry = time.AfterFunc(time.Until(at), func() {
			_ = s.WriteClose(closeForbidden, string(rail.Unauthenticated)+": the token has expired")
		})
	}
}

// goAway implements stream.
func (s *socket) goAway() {
	_ = s.WriteClose(int(websocket.StatusGoingAway), "the server is going away")
}

// down marks the socket as closing; true where there is a connection that nobody has begun to close. The caller has the
// lock.
func (s *socket) down() bool {
	if s.closing {
		return false
	}
	s.closing = true
	close(s.done)
	if s.expiry != nil {
		s.expiry.Stop()
	}
	return s.conn != nil
}

// Close implements transport.WebsocketConn. A close that was said politely is left to end politely.
func (s *socket) Close() error {
	s.mu.Lock()
	first := s.down()
	s.mu.Unlock()
	if !first {
		return nil
	}
	return s.conn.CloseNow()
}

// WriteClose implements transport.WebsocketConn: it says goodbye and why, and waits for the answer in the background,
// which the library bounds to a few seconds.
func (s *socket) WriteClose(code int, reason string) error {
	if reason == gqlgenInitTimeout {
		code, reason = closeInitTimeout, "Connection initialisation timeout"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down() {
		s.tasks.Go(func() {
			// A client that is gone already has nothing to be told.
			_ = s.conn.Close(websocket.StatusCode(code), reason)
		})
	}
	return nil
}

// Subprotocol implements transport.WebsocketConn.
func (s *socket) Subprotocol() string { return s.conn.Subprotocol() }

// SetReadLimit implements transport.WebsocketReadLimiter.
func (s *socket) SetReadLimit(limit int64) { s.conn.SetReadLimit(limit) }

// envelope is what every message has.
type envelope struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// NextReader implements transport.WebsocketConn: the next message that gqlgen is to see.
func (s *socket) NextReader() (int, io.Reader, error) {
	for {
		kind, data, err := s.conn.Read(context.Background())
		if err != nil {
			return 0, nil, transport.ErrWebsocketClosed
		}
		var message envelope
		if kind != websocket.MessageText || json.Unmarshal(data, &message) != nil {
			return s.hangUp(closeBadRequest, "not a message of the protocol")
		}
		next, code, reason := s.receive(&message)
		switch next {
		case end:
			return s.hangUp(code, reason)
		case overLimit:
			s.sendError(message.ID, tooManyStreams)
			continue
		case ignore:
			continue
		}
		data, err = json.Marshal(message)
		if err != nil {
			return s.hangUp(closeBadRequest, "not a message of the protocol")
		}
		return int(kind), bytes.NewReader(data), nil
	}
}

// hangUp ends the connection because of what the client sent.
func (s *socket) hangUp(code int, reason string) (int, io.Reader, error) {
	_ = s.WriteClose(code, reason)
	return 0, nil, transport.ErrWebsocketClosed
}

// verdict is what becomes of a message from the client.
type verdict int

const (
	forward verdict = iota
	ignore
	overLimit
	end
)

// receive holds a message from the client against the protocol; where it ends the connection, with a code.
func (s *socket) receive(message *envelope) (next verdict, code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch message.Type {
	case "connection_init":
		if s.inited {
			return end, closeTooManyInits, "Too many initialisation requests"
		}
		s.inited = true
		return forward, 0, ""
	case "ping", "pong":
		if !s.acked {
			return ignore, 0, ""
		}
		return forward, 0, ""
	case "subscribe":
		if !s.acked {
			return end, closeUnauthorized, "Unauthorized"
		}
		if message.ID == "" || len(message.ID) > maxOperationIDBytes {
			return end, closeBadRequest, "an operation's id has 1 to " + strconv.Itoa(maxOperationIDBytes) + " bytes"
		}
		if _, taken := s.inner[message.ID]; taken {
			return end, closeDuplicate, "Subscriber for " + message.ID[:min(len(message.ID), 64)] + " already exists"
		}
		if len(s.outer) >= s.limit {
			return overLimit, 0, ""
		}
		s.last++
		inner := strconv.Itoa(s.last)
		s.inner[message.ID], s.outer[inner] = inner, message.ID
		message.ID = inner
		return forward, 0, ""
	case "complete":
		inner, running := s.inner[message.ID]
		delete(s.inner, message.ID)
		if !running {
			// It ended while the message was on its way.
			return ignore, 0, ""
		}
		message.ID = inner
		return forward, 0, ""
	}
	return end, closeBadRequest, "not a message of the protocol"
}

// WriteJSON implements transport.WebsocketConn: it sends a message of gqlgen's under the client's id. What belongs to an
// operation that the client has completed, or that has ended, is dropped.
func (s *socket) WriteJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var message envelope
	if err := json.Unmarshal(data, &message); err != nil {
		return err
	}
	if !s.send(&message) {
		return nil
	}
	return s.write(&message)
}

// send keeps the books about a message to the client; false where it is to be dropped.
func (s *socket) send(message *envelope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		// gqlgen completes what it had running; the client is to take a connection that broke for what it is.
		return false
	}
	if message.Type == "connection_ack" {
		s.acked = true
	}
	if message.ID == "" {
		return true
	}
	inner := message.ID
	id, known := s.outer[inner]
	if !known {
		return false
	}
	wanted := s.inner[id] == inner
	if message.Type == "complete" || message.Type == "error" {
		delete(s.outer, inner)
		if wanted {
			delete(s.inner, id)
		}
	}
	message.ID = id
	return wanted
}

// write sends one message within the time a reader has to take it.
func (s *socket) write(message *envelope) error {
	id, err := json.Marshal(message.ID)
	if err != nil {
		return err
	}
	// By hand: the payload is JSON already, and large.
	data := make([]byte, 0, len(message.Payload)+len(id)+64)
	data = append(append(data, `{"type":"`...), message.Type...)
	data = append(data, '"')
	if message.ID != "" {
		data = append(append(data, `,"id":`...), id...)
	}
	if len(message.Payload) > 0 {
		data = append(append(data, `,"payload":`...), message.Payload...)
	}
	data = append(data, '}')
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, data)
}

func (s *socket) sendError(id string, e *rail.Error) {
	payload, err := json.Marshal(gqlerror.List{{
		Message: e.Message, Extensions: map[string]any{"code": string(e.Code), "retryAfterMs": e.RetryAfter.Milliseconds()},
	}})
	if err == nil {
		// A client that is gone needs no answer.
		_ = s.write(&envelope{ID: id, Type: "error", Payload: payload})
	}
}
