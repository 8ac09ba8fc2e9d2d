package gateway

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/services/rail"
)

// httpTransport is one request and one response.
type httpTransport struct{ g *Gateway }

var _ graphql.Transport = httpTransport{}

// Supports implements graphql.Transport. It comes last, and takes what the transports of streams do not.
func (t httpTransport) Supports(*http.Request) bool { return true }

// Do implements graphql.Transport.
func (t httpTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	operation, errs, err := t.g.readRequest(ctx, w, r, exec)
	if err != nil {
		t.g.refuseUnread(w, r, err)
		return
	}
	if len(errs) > 0 {
		writeResponse(w, r, http.StatusBadRequest, writeTimeout,
			exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs[:min(len(errs), maxErrors)]))
		return
	}
	if operation.Operation.Operation == ast.Subscription {
		t.g.refuse(w, r, http.StatusBadRequest,
			rail.Refuse(rail.BadUserInput, "a subscription needs a WebSocket, or Accept: text/event-stream"))
		return
	}
	if t.g.refuseMutationByGET(w, r, operation) {
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, operation)
	response := responses(ctx)
	if response == nil {
		// Its time was over before anything was executed.
		t.g.refuse(w, r, http.StatusServiceUnavailable, tookTooLong)
		return
	}
	if response.Data == nil {
		response.Data = []byte("null")
	}
	writeResponse(w, r, http.StatusOK, writeTimeout, response)
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
