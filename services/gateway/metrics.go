package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/vektah/gqlparser/v2/ast"

	"interlock/services/rail"
)

// metrics are the numbers of a gateway. A client cannot make up the value of a label.
type metrics struct {
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	inFlight      prometheus.Gauge
	operations    *prometheus.HistogramVec
	errors        *prometheus.CounterVec
	panics        prometheus.Counter
	streams       *prometheus.GaugeVec
	subscriptions *prometheus.GaugeVec

	fields map[ast.Operation]map[string]bool
	codes  map[string]bool
}

func newMetrics(
	registry *prometheus.Registry, schema *ast.Schema, version Version, durability string,
) (*metrics, error) {
	// Searches take about a millisecond, and no operation takes more than ten seconds.
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "interlock_http_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "interlock_http_request_seconds", Help: "Time to answer a request, streams included.",
			Buckets: buckets,
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "interlock_http_requests_in_flight", Help: "Requests being answered now, streams included.",
		}),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "interlock_graphql_operation_seconds", Help: "Time to execute queries and mutations, by root field.",
			Buckets: buckets,
		}, []string{"type", "field"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "interlock_graphql_errors_total", Help: "Top-level GraphQL errors, by code.",
		}, []string{"code"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "interlock_panics_total", Help: "Panics caught while answering requests.",
		}),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "interlock_streams", Help: "Streams open now, by transport.",
		}, []string{"transport"}),
		subscriptions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "interlock_subscriptions", Help: "Subscriptions running now, by root field.",
		}, []string{"field"}),
		fields: rootFields(schema),
		codes:  map[string]bool{},
	}
	for _, code := range []string{
		string(rail.BadUserInput), string(rail.Unauthenticated), string(rail.Forbidden), string(rail.Overloaded),
		string(rail.OrderPending), string(rail.Unavailable), string(rail.Internal), string(rail.Invalid),
		string(rail.NotFound),
		errcode.ParseFailed, errcode.ValidationFailed, codeTooDeep, codeTooDear, codeTooLarge,
	} {
		m.codes[code] = true
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "interlock_build_info", Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{"version": version.Version, "commit": version.Commit, "go": version.Go},
	})
	info.Set(1)
	durable := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "interlock_durability_info", Help: "How far an answered order has gone, replicated or local; always 1.",
		ConstLabels: prometheus.Labels{"durability": durability},
	})
	durable.Set(1)
	for _, one := range []prometheus.Collector{
		m.requests, m.seconds, m.inFlight, m.operations, m.errors, m.panics, m.streams, m.subscriptions, info, durable,
	} {
		if err := registry.Register(one); err != nil {
			return nil, err
		}
	}
	for _, one := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		// The registry may have these already.
		if err := registry.Register(one); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return nil, err
		}
	}
	return m, nil
}

func rootFields(schema *ast.Schema) map[ast.Operation]map[string]bool {
	all := map[ast.Operation]map[string]bool{}
	for operation, root := range map[ast.Operation]*ast.Definition{
		ast.Query: schema.Query, ast.Mutation: schema.Mutation, ast.Subscription: schema.Subscription,
	} {
		all[operation] = map[string]bool{}
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			all[operation][field.Name] = true
		}
	}
	return all
}

// rootField is the root field that an operation asks for. It is "several" where there is more than one, and
// "introspection" where only the schema is asked for.
func (m *metrics) rootField(operation *ast.OperationDefinition) string {
	name := "introspection"
	for _, selection := range operation.SelectionSet {
		field, ok := selection.(*ast.Field)
		switch {
		case !ok:
			return "several" // A fragment may have any fields.
		case len(field.Name) > 2 && field.Name[:2] == "__" || !m.fields[operation.Operation][field.Name]:
		case name != "introspection" && name != field.Name:
			return "several"
		default:
			name = field.Name
		}
	}
	return name
}

func (m *metrics) observeOperation(kind, field string, took time.Duration) {
	m.operations.WithLabelValues(kind, field).Observe(took.Seconds())
}

func (m *metrics) observeRequest(route, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
	default:
		method = "OTHER"
	}
	if status == 0 {
		status = http.StatusOK
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) countError(code string) {
	if !m.codes[code] {
		code = "OTHER"
	}
	m.errors.WithLabelValues(code).Inc()
}
