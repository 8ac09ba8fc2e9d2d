package gateway

import (
	"context"
	"net/http"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/services/rail"
)

// httpTransport answers a POST or a GET. It reads the operation first, since how an operation is answered depends on
// what it is: a subscription in a stream of events, where the client accepts that; a query or a mutation in JSON, and
// in events only where the client accepts no JSON.
type httpTransport struct{ g *Gateway }

var _ graphql.Transport = httpTransport{}

// Supports implements graphql.Transport. It comes last, and takes what is no WebSocket.
func (t httpTransport) Supports(*http.Request) bool { return true }

// Do implements graphql.Transport.
func (t httpTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if !t.g.inFlight.start() {
		t.g.refuse(w, r, http.StatusServiceUnavailable, tooManyRequests)
		return
	}
	leave := sync.OnceFunc(t.g.inFlight.end)
	defer leave()
	ticket, err := streamTicketIn(r)
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	var body []byte
	if r.Method == http.MethodPost {
		// The body comes before the limiter: a client that drips must not make others wait.
		if body, err = t.g.readBody(w, r); err != nil {
			t.g.refuseUnread(w, r, err)
			return
		}
		if isList(body) {
			t.batch(w, r, exec, body)
			return
		}
	}
	t.answer(w, r, exec, body, ticket, leave)
}

// answer answers one operation. leave counts it out of those in flight.
func (t httpTransport) answer(
	w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, body []byte, ticket string, leave func(),
) {
	ctx := r.Context()
	operation, errs, err := t.g.createOperation(ctx, exec, r.Header, func() (*graphql.RawParams, error) {
		return paramsOf(r, body)
	})
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	accepted, ctx := acceptedBy(r), graphql.WithOperationContext(ctx, operation)
	if len(errs) > 0 {
		t.answerUnexecuted(ctx, w, r, exec.DispatchError(ctx, errs[:min(len(errs), maxErrors)]))
		return
	}
	if t.g.refuseMutationByGET(w, r, operation) {
		return
	}
	if !t.g.chargeHTTP(ctx, w, r, operation) {
		return
	}
	switch isSubscription := operation.Operation.Operation == ast.Subscription; {
	case isSubscription && !accepted.events:
		t.g.refuse(w, r, http.StatusBadRequest,
			rail.Refuse(rail.BadUserInput, "a subscription needs a WebSocket, or Accept: text/event-stream"))
	case isSubscription:
		// It takes a place among the streams instead.
		leave()
		sse(t).subscribe(ctx, w, r, exec, ticket)
	case ticket != "":
		t.g.refuse(w, r, http.StatusBadRequest,
			rail.Refuse(rail.BadUserInput, "a stream ticket is for a subscription, and for nothing else"))
	case accepted.json == "":
		sse(t).once(ctx, w, exec)
	default:
		t.once(ctx, w, r, exec)
	}
}

// answerUnexecuted answers with what GraphQL has against an operation. What kind of operation it is may be unknown, so
// it is JSON wherever JSON is accepted.
func (t httpTransport) answerUnexecuted(
	ctx context.Context, w http.ResponseWriter, r *http.Request, response *graphql.Response,
) {
	if acceptedBy(r).json == "" {
		sse(t).unexecuted(ctx, w, response)
		return
	}
	t.g.writeResponse(w, r, statusOfUnexecuted(r), writeTimeout, response)
}

// once executes a query or a mutation, and answers in JSON.
func (t httpTransport) once(
	ctx context.Context, w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor,
) {
	response := executeOnce(ctx, exec)
	if response == nil {
		t.g.refuse(w, r, http.StatusServiceUnavailable, tookTooLong)
		return
	}
	t.g.writeResponse(w, r, http.StatusOK, writeTimeout, response)
}

// executeOnce executes the query or mutation in ctx. It returns nil where its time was over before anything was
// executed.
func executeOnce(ctx context.Context, exec graphql.GraphExecutor) *graphql.Response {
	responses, ctx := exec.DispatchOperation(ctx, graphql.GetOperationContext(ctx))
	response := responses(ctx)
	if response != nil && response.Data == nil {
		response.Data = []byte("null")
	}
	return response
}

// refuseMutationByGET refuses a mutation over GET, and returns whether it did. Browsers, caches and crawlers may repeat
// a GET at will.
func (g *Gateway) refuseMutationByGET(
	w http.ResponseWriter, r *http.Request, operation *graphql.OperationContext,
) bool {
	if r.Method != http.MethodGet || operation.Operation.Operation != ast.Mutation {
		return false
	}
	w.Header().Set("Allow", "POST, OPTIONS")
	g.refuse(w, r, http.StatusMethodNotAllowed,
		rail.Refuse(rail.BadUserInput, "a mutation is asked with POST; GET only reads"))
	return true
}
