package gtfs

import (
	"strings"

	"interlock/services/rail"
)

// readTranslations collects the names of stops in other languages. GTFS names what is translated by its record_id or by
// its field_value, and the first goes before the second.
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
		r.notice("translations.txt is in the form from before GTFS had translations, and is ignored")
		return nil
	}
	places, err := t.require("table_name", "field_name", "language", "translation")
	if err != nil {
		return err
	}
	tableName, fieldName, language, translation := places[0], places[1], places[2], places[3]
	recordID, fieldValue := t.column("record_id"), t.column("field_value")
	byValue := map[string]map[string]string{}
	for {
		ok, err := t.next()
		if err != nil {
			return err
		}
		if !ok {
			break
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
			i, known := r.stopByID[id]
			if !known {
				return t.refuse("record_id: stop %q does not exist", id)
			}
			if err := put(t, &r.stops[i].names, tag, name); err != nil {
				return err
			}
		case value != "":
			names := byValue[oneLine(value)]
			if err := put(t, &names, tag, name, value); err != nil {
				return err
			}
			byValue[oneLine(value)] = names
		default:
			return t.refuse("neither record_id nor field_value says what is translated")
		}
	}
	for i := range r.stops {
		s := &r.stops[i]
		if s.names == nil {
			// Shared by all stops of this name, until each has become a station.
			if s.names = byValue[s.name]; s.root == int32(i) && s.calledAt() {
				if err := keepNames(t, s.names); err != nil {
					return err
				}
			}
			continue
		}
		for tag, name := range byValue[s.name] {
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
