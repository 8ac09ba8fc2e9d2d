package watch

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
)

// openStreams is how many streams the server says are open.
func openStreams(ctx context.Context, server string) (open int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	request.Close = true // asked twice: an idle connection would only be in the way
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(name, "interlock_streams{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		open += int(n)
	}
	return open, lines.Err()
}
