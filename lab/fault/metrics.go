package fault

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metricsTimeout bounds one look at a server's metrics; a frozen one does not answer.
const metricsTimeout = 2 * time.Second

// metrics are a server's own figures, by their names.
func metrics(ctx context.Context, server string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // asked once in a while: an idle connection would only be counted
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metrics of %s: %s", server, response.Status)
	}
	figures := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			figures[name] = n
		}
	}
	return figures, lines.Err()
}

// sum adds a figure up over all servers; those that do not answer have none.
func (s *Scene) sum(ctx context.Context, name string) (total float64) {
	for _, server := range s.Cluster.Servers() {
		if figures, err := metrics(ctx, server.Addr()); err == nil {
			total += figures[name]
		}
	}
	return total
}
