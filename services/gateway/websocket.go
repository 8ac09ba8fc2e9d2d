package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

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

// farewell is a close code and its reason.
type farewell struct {
	code   int
	reason string
}

// running is an operation that has not ended.
type running struct {
	cancel         context.CancelFunc
	isSubscription bool
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

// envelope is a message.
type envelope struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`

	// unread is why the payload of a "subscribe" cannot be read, where the message is not well-formed.
	unread error
}

// readEnvelope reads a message; nil where it is not one of the protocol.
func readEnvelope(data []byte) *envelope {
	var message envelope
	strict := readJSON(data, &message)
	if strict == nil {
		return &message
	}
	// The mistake may be in one operation. Then that operation gets the error, and the others on the socket go on.
	message = envelope{}
	if json.Unmarshal(data, &message) != nil || message.Type != "subscribe" {
		return nil
	}
	message.unread = unreadable("the message is not well-formed JSON: %s", jsonTrouble(strict))
	return &message
}

// read waits for a message. It may begin at any time, but once it has begun, it must come as fast as a body.
func (s *webSocket) read() (*envelope, bool) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, false
	}
	slow := time.AfterFunc(bodyTimeout, func() {
		s.hangUp(int(websocket.StatusPolicyViolation), "a message did not come within "+bodyTimeout.String())
	})
	data, err := io.ReadAll(reader)
	slow.Stop()
	if err != nil {
		return nil, false
	}
	message := readEnvelope(data)
	if kind != websocket.MessageText || message == nil {
		s.hangUp(closeBadRequest, "not a message of the protocol")
		return nil, false
	}
	return message, true
}

// init reads the token out of the connection's first message, and counts the socket for its viewer. A token must be
// valid. Without one, the Authorization of the handshake counts: browsers cannot send it, other clients can. init
// returns the context with the viewer, and false where it closes the connection.
func (s *webSocket) init(ctx context.Context, payload json.RawMessage) (context.Context, bool) {
	var fields map[string]any
	if len(payload) > 0 && json.Unmarshal(payload, &fields) != nil {
		s.hangUp(closeBadRequest, "the payload of connection_init is not an object")
		return nil, false
	}
	var authorization []string
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

// refuse closes the connection because of an error.
func (s *webSocket) refuse(ctx context.Context, code int, err error) {
	told := s.g.presentRefusal(ctx, err)
	reason := codeOf(told) + ": " + told.Message
	s.hangUp(code, reason[:min(len(reason), maxCloseReasonBytes)])
}

// subscribe begins an operation. It returns false where the message ends the connection.
func (s *webSocket) subscribe(ctx context.Context, message *envelope) (goOn bool) {
	id := message.ID
	if id == "" || len(id) > maxOperationIDBytes {
		s.hangUp(closeBadRequest, "an operation's id has 1 to "+strconv.Itoa(maxOperationIDBytes)+" bytes")
		return false
	}
	ctx, cancel := context.WithCancel(graphql.StartOperationTrace(ctx))
	one := &running{cancel: cancel}
	s.mu.Lock()
	_, taken := s.running[id]
	var refusal error
	switch {
	case taken:
	case s.closing || s.farewell != nil:
		refusal = goingAway
	case s.open >= s.g.options.MaxOperationsPerSocket:
		refusal = tooManyOperations
	default:
		s.running[id] = one
		s.open++
		s.answering++
	}
	s.mu.Unlock()
	if taken {
		cancel()
		s.hangUp(closeDuplicate, "Subscriber for "+id[:min(len(id), 64)]+" already exists")
		return false
	}
	if refusal != nil {
		cancel()
		s.write(errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, refusal)}))
		return true
	}
	operation, errs := s.prepare(ctx, message)
	if len(errs) > 0 {
		s.end(id, one, errorMessage(id, errs))
		return true
	}
	if operation.Operation.Operation == ast.Subscription && !s.isSubscription(one) {
		s.end(id, one, nil)
		return true
	}
	s.tasks.Go(func() { s.execute(graphql.WithOperationContext(ctx, operation), id, one, operation) })
	return true
}

// prepare reads and checks an operation, behind the same limiter as all others.
func (s *webSocket) prepare(ctx context.Context, message *envelope) (*graphql.OperationContext, gqlerror.List) {
	if s.g.limiter.overloaded() {
		return nil, gqlerror.List{s.g.presenter.present(ctx, tooManyRequests)}
	}
	operation, errs, err := s.g.createOperation(ctx, s.exec, s.header, func() (*graphql.RawParams, error) {
		if message.unread != nil {
			return nil, message.unread
		}
		return readParameters(message.Payload, "the payload")
	})
	if err != nil {
		return nil, gqlerror.List{s.g.presentRefusal(ctx, err)}
	}
	if len(errs) > 0 {
		return nil, s.exec.DispatchError(graphql.WithOperationContext(ctx, operation),
			errs[:min(len(errs), maxErrors)]).Errors
	}
	return operation, nil
}

// execute runs an operation to its end.
func (s *webSocket) execute(ctx context.Context, id string, one *running, operation *graphql.OperationContext) {
	last := &envelope{ID: id, Type: "complete"}
	defer func() { s.end(id, one, last) }()
	defer func() {
		if cause := recover(); cause != nil {
			last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, s.g.presenter.recovered(ctx, cause))})
		}
	}()
	if !one.isSubscription {
		if !s.g.inFlight.start() {
			last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, tooManyRequests)})
			return
		}
		defer s.g.inFlight.end()
	}
	answered := false
	responses, inner := s.exec.DispatchOperation(ctx, operation)
	for response := responses(inner); response != nil; response = responses(inner) {
		answered = true
		if one.isSubscription && isToBeAskedAgain(response) {
			last = errorMessage(id, response.Errors)
			return
		}
		body, err := encodeResponse(response)
		if err != nil {
			// Only an extension of our own could fail to encode.
			panic(err)
		}
		if !s.wants(id, one) {
			return
		}
		s.write(&envelope{ID: id, Type: "next", Payload: body})
	}
	if !answered && !one.isSubscription {
		// Its time was over before anything was executed.
		last = errorMessage(id, gqlerror.List{s.g.presenter.present(ctx, tookTooLong)})
	}
}

// isSubscription notes that an operation is a subscription, for which a socket that ends does not wait. It returns
// false where the socket is going away, and the operation must not begin.
func (s *webSocket) isSubscription(one *running) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.isSubscription = true
	s.answering--
	return s.farewell == nil
}

// wants tells whether the client still waits for messages of an operation.
func (s *webSocket) wants(id string, one *running) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing && s.running[id] == one && !(one.isSubscription && s.farewell != nil)
}

// completed ends an operation at the client's request. An id without an operation is no mistake: the operation may have
// ended meanwhile.
func (s *webSocket) completed(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.running[id]; ok {
		delete(s.running, id)
		one.cancel()
	}
}

// end sends the last message of an operation, if the client still waits for it, and counts the operation out. A
// subscription that ends with its socket has no last message, so that the client comes back.
func (s *webSocket) end(id string, one *running, last *envelope) {
	if last != nil && s.wants(id, one) {
		s.write(last)
	}
	one.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] == one {
		delete(s.running, id)
	}
	s.open--
	if !one.isSubscription {
		s.answering--
	}
	s.goIfAnswered()
}

// ping keeps proxies from cutting an idle connection, and finds clients that are gone. It sends WebSocket's own pings,
// which every client answers by itself.
func (s *webSocket) ping() {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
			err := s.conn.Ping(ctx)
			cancel()
			if err != nil {
				s.cut()
				return
			}
		}
	}
}

// closeAt ends the socket with its token.
func (s *webSocket) closeAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.expiry = time.AfterFunc(time.Until(at), func() {
			s.leave(closeForbidden, string(tokenOver.Code)+": "+tokenOver.Message)
		})
	}
}

// goAway implements stream.
func (s *webSocket) goAway() { s.leave(int(websocket.StatusGoingAway), goingAway.Message) }

// leave ends the socket's subscriptions at once, and the socket once its queries and mutations are answered.
func (s *webSocket) leave(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.farewell != nil {
		return
	}
	s.farewell = &farewell{code, reason}
	for _, one := range s.running {
		if one.isSubscription {
			one.cancel()
		}
	}
	s.goIfAnswered()
}

// goIfAnswered closes a socket that has a farewell and nothing left to answer. The mutex is held.
func (s *webSocket) goIfAnswered() {
	if s.farewell != nil && s.answering == 0 {
		s.close(*s.farewell)
	}
}

// hangUp closes the connection with a code and a reason.
func (s *webSocket) hangUp(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(farewell{code, reason})
}

// close sends a close frame, and waits in the background for the client's. The library bounds that wait to a few
// seconds. The mutex is held.
func (s *webSocket) close(last farewell) {
	if !s.down() {
		return
	}
	s.tasks.Go(func() {
		// An error means that the client is gone.
		_ = s.conn.Close(websocket.StatusCode(last.code), last.reason)
	})
}

// cut implements stream. It ends the connection without a close frame, unless one was sent already.
func (s *webSocket) cut() {
	s.mu.Lock()
	first := s.down()
	s.mu.Unlock()
	if first {
		_ = s.conn.CloseNow()
	}
}

// down marks the socket as closing. It returns true where there is a connection, and the caller has to close it. The
// mutex is held.
func (s *webSocket) down() bool {
	if s.closing {
		return false
	}
	s.closing = true
	s.cancel()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	return s.conn != nil
}

// write sends one message within writeTimeout. It cuts the connection of a client that does not take it.
func (s *webSocket) write(message *envelope) {
	id, err := json.Marshal(message.ID)
	if err != nil {
		panic(err) // A string can be encoded.
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
	if s.conn.Write(ctx, websocket.MessageText, data) != nil {
		s.cut()
	}
}

// errorMessage ends an operation that was not executed, or that the client should try again.
func errorMessage(id string, errs gqlerror.List) *envelope {
	payload, err := json.Marshal(errs)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	return &envelope{ID: id, Type: "error", Payload: payload}
}

// presentRefusal is what a client is told of an operation that was not executed.
func (g *Gateway) presentRefusal(ctx context.Context, err error) *gqlerror.Error {
	var refused *statusError
	if errors.As(err, &refused) {
		err = refused.err
	}
	return g.presenter.present(ctx, err)
}

// isToBeAskedAgain tells whether a response has no data, and an error that passes: the client should ask again.
func isToBeAskedAgain(response *graphql.Response) bool {
	if response.Data != nil {
		return false
	}
	for _, err := range response.Errors {
		switch rail.Code(codeOf(err)) {
		case rail.Unavailable, rail.Overloaded, rail.OrderPending, rail.Internal:
			return true
		}
	}
	return false
}
