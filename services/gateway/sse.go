package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// sseTransport is server-sent events, by the GraphQL over SSE protocol ("distinct connections mode"): one operation per
// request, an event "next" for each response, and an event "complete" at the end. A stream that the server breaks off,
// or that it cannot begin just now, has no "complete", so that its client comes back.
type sseTransport struct{ g *Gateway }

var _ graphql.Transport = sseTransport{}

// errTokenOver ends a subscription together with its token.
var errTokenOver = errors.New("the token has expired")

// Supports implements graphql.Transport.
func (t sseTransport) Supports(r *http.Request) bool { return wantsSSE(r) }

// Do implements graphql.Transport. Until the stream is open, a refusal is an HTTP response; from then on, everything
// that is told is an event.
func (t sseTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stream := &sseStream{cancel: cancel}
	viewer, address := rail.ViewerFrom(ctx), addressOf(r, t.g.options.TrustedProxies)
	entry, err := t.g.streams.enter(stream, ownedBy(viewer, address))
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	defer entry.leave()
	ctx = rail.WithClient(ctx, rail.Client{Address: address, Stream: entry.id})

	operation, errs, err := t.g.readRequest(ctx, w, r, exec)
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	ctx = graphql.WithOperationContext(ctx, operation)
	if len(errs) > 0 {
		out := openEvents(ctx, w, cancel)
		defer out.stop()
		out.next(exec.DispatchError(ctx, errs[:min(len(errs), maxErrors)]))
		out.complete()
		return
	}
	if t.g.refuseMutationByGET(w, r, operation) {
		return
	}
	if operation.Operation.Operation == ast.Subscription {
		t.subscribe(ctx, w, r, exec, stream)
	} else {
		t.once(ctx, w, r, exec, stream)
	}
}

// subscribe serves a subscription. It has no "complete" where the server ends the stream, so that the client comes
// back.
func (t sseTransport) subscribe(
	ctx context.Context, w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, stream *sseStream,
) {
	if !stream.subscribe() {
		t.g.refuse(w, r, http.StatusServiceUnavailable, goingAway)
		return
	}
	if viewer := rail.ViewerFrom(ctx); viewer != nil && !viewer.Expires.IsZero() {
		// A stream does not stay open longer than the token that opened it.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, viewer.Expires, errTokenOver)
		defer cancel()
	}
	out := openEvents(ctx, w, stream.cancel)
	defer out.stop()
	if t.execute(ctx, out, exec) && !stream.isLeaving() {
		out.complete()
	}
}

// once serves a query or a mutation. A token that ends meanwhile does not end it.
func (t sseTransport) once(
	ctx context.Context, w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, stream *sseStream,
) {
	if !t.g.inFlight.start() {
		t.g.refuse(w, r, http.StatusServiceUnavailable, tooManyRequests)
		return
	}
	defer t.g.inFlight.end()
	out := openEvents(ctx, w, stream.cancel)
	defer out.stop()
	if t.execute(ctx, out, exec) {
		out.complete()
	}
}

// execute writes the responses of the operation in ctx. It returns true where the last of them is the end, and false
// where the client is to come back: the operation could not be executed just now, panicked, or was broken off.
func (t sseTransport) execute(ctx context.Context, out *sseWriter, exec graphql.GraphExecutor) (ended bool) {
	operation := graphql.GetOperationContext(ctx)
	isSubscription := operation.Operation.Operation == ast.Subscription
	defer func() {
		if cause := recover(); cause != nil {
			out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx,
				t.g.presenter.recovered(ctx, cause))}})
			ended = false
		}
	}()
	responses, inner := exec.DispatchOperation(ctx, operation)
	answered := false
	for response := responses(inner); response != nil; response = responses(inner) {
		answered = true
		if isSubscription && isToBeAskedAgain(response) {
			out.retryAfter(response.Errors)
			out.next(response)
			return false
		}
		out.next(response)
	}
	switch {
	case errors.Is(context.Cause(ctx), errTokenOver):
		out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx, tokenOver)}})
		return true
	case ctx.Err() != nil:
		return false
	case !answered && !isSubscription:
		// Its time was over before anything was executed.
		out.next(&graphql.Response{Errors: gqlerror.List{t.g.presenter.present(ctx, tookTooLong)}})
	}
	return true
}

// sseWriter writes whole events, each within the time a reader has to take it, and comments while there are none.
type sseWriter struct {
	mu         sync.Mutex
	w          http.ResponseWriter
	controller *http.ResponseController
	cancel     context.CancelFunc
	// stop ends the comments, and returns when none is being written: once the handler has returned, nothing may be.
	stop func()
}

// openEvents begins the response. cancel ends the stream when its reader does not read. Call stop.
func openEvents(ctx context.Context, w http.ResponseWriter, cancel context.CancelFunc) *sseWriter {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // Otherwise nginx collects events.
	w.WriteHeader(http.StatusOK)
	out := &sseWriter{w: w, controller: http.NewResponseController(w), cancel: cancel}
	// A comment comes first: with it the client knows that it is connected, and every proxy lets the headers pass.
	out.write(":\n\n")
	out.stop = out.keepAlive(ctx)
	return out
}

func (e *sseWriter) next(response *graphql.Response) {
	body, err := encodeResponse(response)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	e.write("event: next\ndata: " + string(body) + "\n\n")
}

// complete writes the last event.
func (e *sseWriter) complete() {
	e.stop() // Nothing comes after the end, not even a comment.
	e.write("event: complete\ndata:\n\n")
}

// retryAfter tells a browser when to come back: the time of the first error that has one.
func (e *sseWriter) retryAfter(errs gqlerror.List) {
	for _, err := range errs {
		if wait, ok := err.Extensions["retryAfterMs"].(int64); ok {
			e.write("retry: " + strconv.FormatInt(wait, 10) + "\n\n")
			return
		}
	}
}

// write writes within writeTimeout. It ends the stream of a client that does not read.
func (e *sseWriter) write(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	// A writer that knows no deadlines is a test's.
	_ = e.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := e.w.Write([]byte(text))
	if err == nil {
		err = e.controller.Flush()
	}
	if err != nil {
		e.cancel()
	}
}

// keepAlive writes a comment every keepAlive until ctx ends or stop is called.
func (e *sseWriter) keepAlive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(keepAlive)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				e.write(":\n\n")
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// sseStream is an event stream, for what ends it.
type sseStream struct {
	cancel context.CancelFunc

	mu sync.Mutex
	// subscribed is true once the request is read, and is a subscription.
	subscribed, leaving bool
}

// subscribe notes that the stream is a subscription. It returns false where the server is going away, and it must not
// begin.
func (s *sseStream) subscribe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribed = true
	return !s.leaving
}

func (s *sseStream) isLeaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// goAway implements stream.
func (s *sseStream) goAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
	if s.subscribed {
		s.cancel()
	}
}

// cut implements stream.
func (s *sseStream) cut() { s.cancel() }
