// Package gateway is HTTP in front of the GraphQL schema.
//
// It serves GraphQL at /graphql over POST (batches, too), GET (queries only), WebSocket (graphql-transport-ws) and
// server-sent events, the playground, the schema's text, health and metrics. It checks a request's token once and puts
// the viewer into the context. It bounds the size, depth, cost, duration and number of requests, and turns errors into
// codes. It knows no trains and decides no viewer's rights. Only the texts of a *rail.Error and of GraphQL's own errors
// reach a client.
//
// Every refusal has a GraphQL error body with extensions.code. Status codes follow GraphQL over HTTP. What was executed
// has 200, also where it failed in part or as a whole: clients retry by extensions.code. A document or variables that
// make no sense have 400 as application/graphql-response+json, and 200 as application/json. What was refused before has
// 4xx or 503: 400 for what cannot be read, 401 for a token that is not valid (a request without one is anonymous), 403
// for a foreign origin, 405, 406, 413, 415, 421 for a Host that is not one of the server's names, 429 with Retry-After
// for a client that asks too often, and for more streams than one viewer or address may have, and 503 with Retry-After for too many requests and for what
// cannot be told just now.
//
// The transports are the package's own. Those of gqlgen echo bodies, answer 200 to a body that they cannot read, write
// to slow readers without end, and let operations on a WebSocket past the limits. gqlgen's executor is used as
// it is.
//
// A Gateway is safe for concurrent use. Only its counters and its set of open streams change once it is made.
// Drain ends its streams. Nothing of it runs while there is no request.
package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/cors"

	"interlock/services/identity"
)

// Version says what is running.
type Version struct {
	Version string
	Commit  string
	Go      string
}

// Options make a Gateway. Zero limits are the defaults of the same name.
type Options struct {
	Schema graphql.ExecutableSchema
	// SchemaText is the text at /schema.graphql.
	SchemaText string
	// Identity checks tokens.
	Identity identity.Verifier
	// Playground serves /playground and all below; nil where there is none.
	Playground http.Handler
	// Webhooks serves POST /webhooks/NAME, and sets the deadlines of its requests itself; nil where there are none.
	Webhooks http.Handler
	// Hosts are the names the server answers to (Host header, without a port) besides those of loopback and the address
	// a connection came to: "tickets.example.com". "*" is any.
	Hosts []string
	// AllowedOrigins may use the API from a browser, besides our own origin: "https://tickets.example.com". "*" is any.
	AllowedOrigins []string
	// Checks decide whether the server is ready.
	Checks []Check
	// Durability is "replicated" or "local"; it is shown by /readyz and as a metric.
	Durability string
	// Registry takes the metrics and serves them; nil makes one.
	Registry *prometheus.Registry
	// Log gets the errors that must not reach clients; nil is slog.Default.
	Log     *slog.Logger
	Version Version
	// NewRequestID names requests that come without a name; nil makes UUIDs.
	NewRequestID func() string

	MaxBodyBytes    int64
	DepthLimit      int
	ComplexityLimit int
	// ResponseLimit is how many values a response, or an event of a stream, may have: fields, and elements of lists.
	ResponseLimit    int
	TokenLimit       int
	OperationTimeout time.Duration
	MaxInFlight      int
	// MaxReading is how many operations are read and checked at a time. It is less than the threads that run Go code,
	// so that one is left to look at the network. It also counts as the number of processors for responses.
	MaxReading             int
	MaxStreams             int
	MaxOperationsPerSocket int
	// MaxStreamsPerViewer bounds the WebSockets and event streams of one viewer, and MaxStreamsPerAddress those without
	// a token of one client address.
	MaxStreamsPerViewer, MaxStreamsPerAddress int
	// Spread is when a client that is refused for a while is told to come again: not earlier, and not all at one moment.
	// nil: up to half of that time later.
	Spread func(wait time.Duration) time.Duration
	// Admission says whether an operation may be executed now; nil: each may.
	Admission Admission
	// StreamTickets let browsers' event streams in; nil where there are none.
	StreamTickets *StreamTickets
	// TrustedProxies are the proxies whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix
	// Starting is true until the server can serve streams; nil is never. It does not become true again.
	Starting func() bool
}

// Gateway answers all HTTP requests of a server.
type Gateway struct {
	options     Options
	hosts       hosts
	origins     origins
	cors        *cors.Cors
	log         *slog.Logger
	metrics     *metrics
	checks      *checks
	streams     *streams
	presenter   *errorPresenter
	inFlight    inFlight
	limiter     *limiter
	places      *places
	compression *compression
	graphql     *handler.Server
	handler     http.Handler
}

// New makes a Gateway, or says what is wrong with its options.
func New(o Options) (*Gateway, error) {
	if o.Schema == nil || o.Identity == nil {
		return nil, errors.New("a gateway needs a schema and somebody who checks tokens")
	}
	allowed, err := parseOrigins(o.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	names, err := parseHosts(o.Hosts)
	if err != nil {
		return nil, err
	}
	setDefaults(&o)
	g := &Gateway{
		options: o, hosts: names, origins: allowed, cors: newCORS(allowed), log: o.Log,
		inFlight: inFlight{limit: int64(o.MaxInFlight)}, limiter: newLimiter(o.MaxReading),
		places: newPlaces(tiersOf(o.MaxReading)),
	}
	if g.metrics, err = newMetrics(o.Registry, o.Schema.Schema(), o.Version, o.Durability); err != nil {
		return nil, err
	}
	if g.compression, err = newCompression(o.MaxReading); err != nil {
		return nil, err
	}
	g.streams = newStreams(streamLimits{
		all: o.MaxStreams, viewer: o.MaxStreamsPerViewer, address: o.MaxStreamsPerAddress,
	}, g.metrics)
	g.checks = newChecks(o.Checks, o.Durability, o.Version, o.Log)
	g.presenter = &errorPresenter{log: o.Log, metrics: g.metrics, now: time.Now, spread: o.Spread}
	if o.Spread == nil {
		g.presenter.spread = spread
	}
	g.graphql = g.newExecutor()
	g.handler = g.routes()
	return g, nil
}

func setDefaults(o *Options) {
	o.MaxBodyBytes = orDefault(o.MaxBodyBytes, DefaultMaxBodyBytes)
	o.DepthLimit = orDefault(o.DepthLimit, DefaultDepthLimit)
	o.ComplexityLimit = orDefault(o.ComplexityLimit, DefaultComplexityLimit)
	o.ResponseLimit = orDefault(o.ResponseLimit, DefaultResponseLimit)
	o.TokenLimit = orDefault(o.TokenLimit, DefaultTokenLimit)
	o.OperationTimeout = orDefault(o.OperationTimeout, DefaultOperationTimeout)
	o.MaxInFlight = orDefault(o.MaxInFlight, DefaultMaxInFlight)
	o.MaxReading = orDefault(o.MaxReading, DefaultMaxReading)
	o.MaxStreams = orDefault(o.MaxStreams, DefaultMaxStreams)
	o.MaxOperationsPerSocket = orDefault(o.MaxOperationsPerSocket, DefaultMaxOperationsPerSocket)
	o.MaxStreamsPerViewer = orDefault(o.MaxStreamsPerViewer, DefaultMaxStreamsPerViewer)
	o.MaxStreamsPerAddress = orDefault(o.MaxStreamsPerAddress, DefaultMaxStreamsPerAddress)
	if o.Starting == nil {
		o.Starting = func() bool { return false }
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.NewRequestID == nil {
		o.NewRequestID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// newExecutor puts GraphQL together. Limits come first, so that a refusal costs little.
func (g *Gateway) newExecutor() *handler.Server {
	cache := newDocuments()
	server := handler.New(g.options.Schema)
	server.SetQueryCache(cache)
	server.SetParserTokenLimit(g.options.TokenLimit)
	server.SetErrorPresenter(g.presenter.present)
	server.SetRecoverFunc(g.presenter.recovered)
	server.SetValidationRulesFn(newRules)
	server.Use(&documentLimits{cache: cache, tokens: g.options.TokenLimit, depth: g.options.DepthLimit})
	server.Use(&inputs{schema: g.options.Schema.Schema(), cache: cache, tokens: g.options.TokenLimit})
	server.Use(introspection{})
	server.Use(&costs{schema: g.options.Schema, limit: g.options.ComplexityLimit})
	// It comes before operations, whose time ends with their response: a response counts until it is sent.
	server.Use(&responseLimits{limit: int64(g.options.ResponseLimit), places: g.places, presenter: g.presenter})
	server.Use(&operations{timeout: g.options.OperationTimeout, metrics: g.metrics})
	server.AddTransport(websocketTransport{g})
	server.AddTransport(httpTransport{g})
	return server
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// Registry is where the metrics are.
func (g *Gateway) Registry() *prometheus.Registry { return g.options.Registry }

// Drain makes the server unready and ends every stream, WebSockets with 1001 (going away), so that clients go
// elsewhere. A stream first answers the queries and mutations that it was asked. Drain does not wait.
func (g *Gateway) Drain() {
	g.checks.drain()
	g.streams.drain()
}
