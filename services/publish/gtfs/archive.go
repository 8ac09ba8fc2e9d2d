package gtfs

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"interlock/services/rail"
)

// encrypted is the general purpose flag of an entry that needs a password.
const encrypted = 0x1

// required are the files without which there is no timetable; of the two calendars one is enough.
var required = []string{"agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt"}

// ReadFile is ReadZip of a file, or Read of a folder. An error of opening it is returned as it is, and is no refusal of
// a feed.
func ReadFile(ctx context.Context, name string, options Options) (*Feed, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return Read(ctx, os.DirFS(name), options)
	}
	feed, err := ReadZip(ctx, file, info.Size(), options)
	if errors.Is(err, errNotZip) {
		return nil, refuse(filepath.Base(name), 0, "it is not a zip archive")
	}
	return feed, err
}

var (
	// errNotZip is ReadZip's refusal of bytes that are no archive at all.
	errNotZip = rail.Refuse(rail.Invalid, "the feed is not a zip archive")
	// errDirectoryTooLong is its refusal of an archive that is mostly a list of files.
	errDirectoryTooLong = rail.Refuse(
		rail.Invalid, "the archive's list of files is longer than %d MiB", maxDirectoryBytes>>20)
)

// ReadZip reads a feed from a zip archive. Its files may lie in one folder of it.
func ReadZip(ctx context.Context, r io.ReaderAt, size int64, options Options) (*Feed, error) {
	gate := &gate{ReaderAt: r, left: maxDirectoryBytes}
	archive, err := zip.NewReader(gate, size)
	switch {
	case errors.Is(err, errDirectoryTooLong):
		return nil, errDirectoryTooLong
	case err != nil:
		return nil, errNotZip
	}
	gate.open = true
	if len(archive.File) > maxEntries {
		return nil, rail.Refuse(rail.Invalid, "the archive has %d entries, more than %d", len(archive.File), maxEntries)
	}
	for i, file := range archive.File {
		if len(file.Name) > maxNameBytes || strings.Count(file.Name, "/") > maxDepth {
			return nil, rail.Refuse(rail.Invalid,
				"the path of the archive's file %d is longer than %d bytes or deeper than %d folders", i+1,
				maxNameBytes, maxDepth)
		}
		if file.Flags&encrypted != 0 {
			return nil, refuse(file.Name, 0, "it is encrypted")
		}
	}
	return read(ctx, archive, options, newBudget(&options, size))
}

// locate finds the one folder the feed lies in: the root, or the only folder that has files of a feed.
func locate(fsys fs.FS) (fs.FS, error) {
	folders, err := feedFolders(fsys)
	if err != nil {
		return nil, unreadableFeed(err)
	}
	folder := "."
	switch {
	case slices.Contains(folders, ".") || len(folders) == 0:
	case len(folders) == 1:
		folder = folders[0]
	default:
		return nil, rail.Refuse(rail.Invalid, "the archive has more than one feed: in the folders %q and %q",
			folders[0], folders[1])
	}
	root, err := fs.Sub(fsys, folder)
	if err != nil {
		return nil, unreadableFeed(err)
	}
	for _, file := range required {
		if !exists(root, file) {
			return nil, rail.Refuse(rail.Invalid, "the feed lacks %s", file)
		}
	}
	if !exists(root, "calendar.txt") && !exists(root, "calendar_dates.txt") {
		return nil, rail.Refuse(rail.Invalid, "the feed lacks calendar.txt and calendar_dates.txt")
	}
	return root, nil
}

// feedFolders are the folders that have a required file of a feed, in the order in which they are met.
func feedFolders(fsys fs.FS) (folders []string, err error) {
	entries := 0
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entries++; entries > maxEntries {
			return rail.Refuse(rail.Invalid, "the feed has more than %d files", maxEntries)
		}
		if entry.IsDir() {
			if isHidden(name, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if folder := path.Dir(name); slices.Contains(required, entry.Name()) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		return nil
	})
	return folders, err
}

// isHidden tells whether a folder is not looked into: its name begins with a dot, or it is the one in which archives
// made on a Mac carry a shadow of every file.
func isHidden(path, name string) bool {
	return name == "__MACOSX" || path != "." && strings.HasPrefix(name, ".")
}

// unreadableFeed is the refusal of a feed whose files cannot be listed. An error that is a refusal stays as it is.
func unreadableFeed(err error) error {
	var refusal *rail.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return &rail.Error{Code: rail.Invalid, Message: "the feed cannot be read: " + err.Error(), Cause: err}
}

// exists tells whether a file is there. A pipe or a device, which might never end, counts as missing. A file that
// cannot be opened is there: opening it fails.
func exists(fsys fs.FS, file string) bool {
	info, err := fs.Stat(fsys, file)
	return err == nil && info.Mode().IsRegular()
}
