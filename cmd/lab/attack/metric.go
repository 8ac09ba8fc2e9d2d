package attack

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metricTimeout bounds one look at a server's metrics.
const metricTimeout = 2 * time.Second

// metric is one figure of the attacked server, without labels; 0 where it does not tell.
func (l *lab) metric(ctx context.Context, name string) float64 {
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
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseFloat(value, 64) // what is no number is not told
			return n
		}
	}
	return 0
}
