package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"interlock/services/rail"
)

// sse answers in server-sent events, by the GraphQL over SSE protocol ("distinct connections mode"): one operation per
// request, an event "next" for each response, and an event "complete" at the end. A stream that the server breaks off,
// or that it cannot begin just now, has no "complete", so that its client comes back. Until the events begin, a refusal
// is an HTTP response; from then on, everything that is told is an event.
type sse struct{ g *Gateway }

// errTokenOver ends a subscription together with its token.
var errTokenOver = errors.New("the token has expired")

// subscribe serves a subscription, which takes a place among the streams. It has no "complete" where the server ends
// the stream, so that the client comes back. ticket is the request's stream ticket; "" is none. It is used up last, so
// that a stream that cannot begin for another reason leaves it good.
func (t sse) subscribe(
	ctx context.Context, w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, ticket string,
) {
	if t.g.options.Starting() {
		// A stream that ends with an error would look like one that is over.
		t.g.refuse(w, r, http.StatusServiceUnavailable, starting)
		return
	}
	viewer, useTicket, err := t.g.viewerOfStream(ctx, ticket)
	if err != nil {
		t.g.refuseToken(w, r, err)
		return
	}
	ctx, cancel := context.WithCancel(rail.WithViewer(ctx, viewer))
	defer cancel()
	stream := &sseStream{cancel: cancel}
	address := addressOf(r, t.g.options.TrustedProxies)
	entry, err := t.g.streams.enter(stream, ownedBy(viewer, address))
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	defer entry.leave()
	if err := useTicket(); err != nil {
		t.g.refuseToken(w, r, err)
		return
	}
	ctx = rail.WithClient(ctx, rail.Client{Address: address, Stream: entry.id})
	if viewer != nil && !viewer.Expires.IsZero() {
		// A stream does not stay open longer than the token that opened it.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, viewer.Expires, errTokenOver)
		defer cancel()
	}
	out := openEvents(ctx, w, cancel)
	defer out.stop()
	if t.execute(ctx, out, exec) && !stream.leaving.Load() {
		out.complete()
	}
}

// once serves a query or a mutation. A token that ends meanwhile does not end it, and neither does a server that goes
// away: it is no stream, but one answer in another form.
func (t sse) once(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := openEvents(ctx, w, cancel)
	defer out.stop()
	if t.execute(ctx, out, exec) {
		out.complete()
	}
}

// unexecuted tells what GraphQL has against an operation. It is an event, since a browser's EventSource shows its page
// nothing of any other answer.
func (t sse) unexecuted(ctx context.Context, w http.ResponseWriter, response *graphql.Response) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := openEvents(ctx, w, cancel)
	defer out.stop()
	out.next(response)
	out.complete()
}

// execute writes the responses of the operation in ctx. It returns true where the last of them is the end, and false
// where the client is to come back: the operation could not be executed just now, panicked, or was broken off.
func (t sse) execute(ctx context.Context, out *sseWriter, exec graphql.GraphExecutor) (ended bool) {
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
	header.Set("Content-Type", mediaEvents+"; charset=utf-8")
	header.Add("Vary", "Accept")
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
	// leaving is true once the server ends the stream.
	leaving atomic.Bool
}

// goAway implements stream.
func (s *sseStream) goAway() {
	s.leaving.Store(true)
	s.cancel()
}

// cut implements stream.
func (s *sseStream) cut() { s.cancel() }
