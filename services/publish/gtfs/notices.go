package gtfs

import (
	"io/fs"
	"strings"
)

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
			r.notice("fares of the feed are ignored: fares come from the templates", name, 0, "it is ignored")
			ignored++
		}
	}
	return nil
}
