package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metricsTimeout bounds one look at a server's metrics. A frozen server does not answer.
const metricsTimeout = 2 * time.Second

// Metrics are the figures that a server tells of itself, by their names with labels.
func Metrics(ctx context.Context, server string) (map[string]float64, error) {
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
	return ReadMetrics(response.Body)
}

// ReadMetrics reads figures as Prometheus does. What is no figure is passed over.
func ReadMetrics(text io.Reader) (map[string]float64, error) {
	figures := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if n, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			figures[line[:at]] = n
		}
	}
	return figures, lines.Err()
}
