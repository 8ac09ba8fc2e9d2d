package attack

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metricTimeout bounds one look at a server's metrics.
const metricTimeout = 2 * time.Second

// metric is one figure of the attacked server, with or without labels; 0 where it does not tell.
func (l *lab) metric(ctx context.Context, name string) float64 {
	return l.metrics(ctx, func(figure string) bool { return figure == name })
}

// answered is how many requests of others than buyers the attacked server has answered: all that are not GraphQL, and
// its queries. Those who send many at once on one connection have asked as often as they were answered.
func (l *lab) answered(ctx context.Context) float64 {
	return l.metrics(ctx, isAnswer)
}

func isAnswer(figure string) bool {
	return strings.HasPrefix(figure, "interlock_http_requests_total{") && !strings.Contains(figure, `route="graphql"`) ||
		strings.HasPrefix(figure, "interlock_graphql_operation_seconds_count{") && strings.Contains(figure, `type="query"`)
}

// metrics is the sum of some figures; 0 where the server does not tell.
func (l *lab) metrics(ctx context.Context, wanted func(figure string) bool) float64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.server.Addr()+"/metrics", nil)
	if err != nil {
		return 0
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return sumOf(response.Body, wanted)
}

// sumOf is the sum of some of the figures that Prometheus would read.
func sumOf(text io.Reader, wanted func(figure string) bool) (sum float64) {
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if figure, value, ok := strings.Cut(lines.Text(), " "); ok && wanted(figure) {
			n, _ := strconv.ParseFloat(value, 64) // what is no number is not told
			sum += n
		}
	}
	return sum
}
