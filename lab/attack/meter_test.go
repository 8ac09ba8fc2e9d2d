package attack

import (
	"strings"
	"testing"

	"interlock/lab/load"

	"github.com/stretchr/testify/require"
)

// TestAnswered counts what others than buyers were answered, and nothing twice.
func TestAnswered(t *testing.T) {
	const told = `# HELP interlock_http_requests_total Requests answered, by route, method and status.
# TYPE interlock_http_requests_total counter
interlock_http_requests_total{method="GET",route="metrics",status="200"} 30
interlock_http_requests_total{method="GET",route="schema",status="200"} 200
interlock_http_requests_total{method="POST",route="graphql",status="200"} 1000
interlock_graphql_operation_seconds_bucket{field="stations",type="query",le="+Inf"} 40
interlock_graphql_operation_seconds_sum{field="stations",type="query"} 17.5
interlock_graphql_operation_seconds_count{field="stations",type="query"} 40
interlock_graphql_operation_seconds_count{field="placeOrder",type="mutation"} 950
interlock_buyers_unlimited_total 3
`
	figures, err := load.ReadMetrics(strings.NewReader(told))
	require.NoError(t, err)
	require.InDelta(t, 270, sumOf(figures, isAnswer), 0)
	unlimited := func(figure string) bool { return figure == "interlock_buyers_unlimited_total" }
	require.InDelta(t, 3, sumOf(figures, unlimited), 0)
}

func TestWhoHeard(t *testing.T) {
	all := newTally()
	all.hear("small", answered)
	all.hear("large", answered)
	all.hear("large", "COMPLEXITY_LIMIT_EXCEEDED")
	require.Equal(t, []string{"large"}, all.whoHeard("COMPLEXITY_LIMIT_EXCEEDED"))
	require.Empty(t, all.whoHeard("OVERLOADED"))
}
