package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/services/rail"
)

// Admission says whether an operation may be executed now. It may be used by many goroutines.
type Admission interface {
	// Admit takes what an operation costs its client, and says how the client stands then. An error is a *rail.Error:
	// RATE_LIMITED or OVERLOADED, of which nothing else comes.
	Admit(ctx context.Context, asked *AskedOperation) (Quota, error)
}

// AskedOperation is an operation that was read and checked. Its viewer is in the context.
type AskedOperation struct {
	// Address is the network of the client; not valid where it has none.
	Address netip.Prefix
	// Fields are the root fields, one for each name that they have in the response.
	Fields []AskedField
}

// AskedField is a root field.
type AskedField struct {
	Name string
	// Arguments reads its arguments, with the variables in place.
	Arguments func() map[string]any
}

// Quota is how a client stands, for the headers RateLimit-Policy and RateLimit.
type Quota struct {
	// Name is the quota's, letters alone, "" for none. Limit is how many there are at once, and Window in how long they come back.
	Name   string
	Limit  int
	Window time.Duration
	// Left is how many may follow at once, and Reset after how long one more may.
	Left  int
	Reset time.Duration
}

// charge asks whether an operation may be executed. Without an Admission each may.
func (g *Gateway) charge(
	ctx context.Context, address netip.Prefix, operation *graphql.OperationContext,
) (Quota, error) {
	if g.options.Admission == nil {
		return Quota{}, nil
	}
	asked := &AskedOperation{Address: address}
	eachField(operation, operation.Operation.SelectionSet, func(field *ast.Field, _ ast.SelectionSet) {
		asked.Fields = append(asked.Fields, AskedField{field.Name, func() map[string]any {
			return field.ArgumentMap(operation.Variables)
		}})
	})
	return g.options.Admission.Admit(ctx, asked)
}

// chargeHTTP is charge for an operation that was sent alone. It answers one that may not be executed: 429 where the
// client asks too often, 503 where the railway sells no more just now.
func (g *Gateway) chargeHTTP(
	ctx context.Context, w http.ResponseWriter, r *http.Request, operation *graphql.OperationContext,
) bool {
	quota, err := g.charge(ctx, addressOf(r, g.options.TrustedProxies), operation)
	quota.write(w.Header())
	if err == nil {
		return true
	}
	status := http.StatusServiceUnavailable
	if rail.CodeOf(err) == rail.RateLimited {
		status = http.StatusTooManyRequests
	}
	g.refuse(w, r, status, err)
	return false
}

// write sets the headers as "RateLimit header fields for HTTP", draft 11, has them
// (draft-ietf-httpapi-ratelimit-headers): times are whole seconds, rounded up.
func (q *Quota) write(header http.Header) {
	if q.Name == "" {
		return
	}
	// By hand, and under the names as they are kept: every order is answered with them.
	header["Ratelimit-Policy"] = []string{q.field(";q=", int64(q.Limit), ";w=", max(1, seconds(q.Window)))}
	header["Ratelimit"] = []string{q.field(";r=", int64(q.Left), ";t=", seconds(q.Reset))}
}

func (q *Quota) field(first string, one int64, second string, other int64) string {
	const room = 64
	b := append(append(append(make([]byte, 0, room), '"'), q.Name...), '"')
	b = strconv.AppendInt(append(b, first...), one, 10)
	return string(strconv.AppendInt(append(b, second...), other, 10))
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
