package gtfs

import (
	"strings"

	"interlock/services/rail"
)

// translations are the names of stops in other languages, by the name that is translated and then by language.
type translations map[string]map[string]string

// readTranslations gives stops their names in other languages. GTFS says what is translated by its record_id or by its
// field_value, and the first goes before the second.
func (r *reader) readTranslations() error {
	if !exists(r.fsys, "translations.txt") {
		return nil
	}
	t, err := r.open("translations.txt")
	if err != nil {
		return err
	}
	defer t.close()
	if t.column("table_name") < 0 && t.column("trans_id") >= 0 {
		r.notice("translations are ignored", t.name, 0, "it is in the form from before GTFS had translations")
		return nil
	}
	if err := t.require("table_name", "field_name", "language", "translation"); err != nil {
		return err
	}
	byName := translations{}
	tableName, fieldName := t.column("table_name"), t.column("field_name")
	language, translation := t.column("language"), t.column("translation")
	recordID, fieldValue := t.column("record_id"), t.column("field_value")
	for err := range t.rows() {
		if err != nil {
			return err
		}
		if t.get(tableName) != "stops" || t.get(fieldName) != "stop_name" || t.get(translation) == "" {
			continue
		}
		if t.get(language) == "" {
			return t.refuse("language is empty")
		}
		tag, name := strings.Clone(t.get(language)), oneLine(t.get(translation))
		switch id, value := t.get(recordID), t.get(fieldValue); {
		case id != "":
			err = r.nameStop(t, id, tag, name)
		case value != "":
			names := byName[oneLine(value)]
			err = put(t, &names, tag, name, value)
			byName[oneLine(value)] = names
		default:
			err = t.refuse("neither record_id nor field_value says what is translated")
		}
		if err != nil {
			return err
		}
	}
	return r.nameStops(t, byName)
}

// nameStop gives the stop with an id a name in a language.
func (r *reader) nameStop(t *table, id, tag, name string) error {
	i, known := r.stopByID[id]
	if !known {
		return t.refuse("record_id: stop %q does not exist", id)
	}
	return put(t, &r.stops[i].names, tag, name)
}

// nameStops gives all stops the names that are theirs by their name, in the languages in which they have none of their
// own. A stop that has none at all shares them with all of its name, until each has become a station.
func (r *reader) nameStops(t *table, byName translations) error {
	for i := range r.stops {
		s := &r.stops[i]
		if s.names == nil {
			s.names = byName[s.name]
			if s.root == int32(i) && s.calledAt() {
				if err := keepNames(t, s.names); err != nil {
					return err
				}
			}
			continue
		}
		for tag, name := range byName[s.name] {
			if _, better := s.names[tag]; better {
				continue
			}
			if err := put(t, &s.names, tag, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// put adds a name in a language. seen is what else is kept with it.
func put(t *table, names *map[string]string, tag, name string, seen ...string) error {
	if *names == nil {
		*names = map[string]string{}
	}
	if _, again := (*names)[tag]; !again {
		if len(*names) == rail.MaxStationNames {
			return t.refuse("a stop has names in more than %d languages", rail.MaxStationNames)
		}
		if err := t.keep(keptName, append(seen, tag, name)...); err != nil {
			return err
		}
	}
	(*names)[tag] = name
	return nil
}

// keepNames charges what a station's names are once they are its own.
func keepNames(t *table, names map[string]string) error {
	for tag, name := range names {
		if err := t.keep(keptName, tag, name); err != nil {
			return err
		}
	}
	return nil
}
