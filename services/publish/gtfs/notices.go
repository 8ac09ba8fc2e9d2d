package gtfs

import (
	"fmt"
	"io/fs"
	"strings"
)

func (r *reader) notice(format string, args ...any) {
	r.feed.Notices = append(r.feed.Notices, fmt.Sprintf(format, args...))
}

// noticeFares tells of fares that are not read: the import's templates say what a seat costs.
func (r *reader) noticeFares() error {
	entries, err := fs.ReadDir(r.fsys, ".")
	if err != nil {
		return unreadable(".", err)
	}
	ignored := 0
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "fare_") && strings.HasSuffix(name, ".txt") && ignored < maxNotices {
			r.notice("%s is ignored: fares come from the templates", name)
			ignored++
		}
	}
	return nil
}
