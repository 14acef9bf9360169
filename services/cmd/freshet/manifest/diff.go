package manifest

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// sent stands for the value of a secret in a FieldChange.
const sent = "(write-only, sent)"

// emptied stands for that of one that is declared empty: it is removed, unless the resource needs it.
const emptied = "(write-only, empty)"

// FieldChange is one field that differs. Old or New is empty where the field was, or will be, not set.
type FieldChange struct {
	// Path is the field in lowerCamelCase: `oauth2.scopes`, `targets[t1].inputPath`.
	Path string `json:"path"`
	// Old and New are values for people. That of a secret is never shown.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// setting is one field that is set, in the order of the contract.
type setting struct{ path, value string }

// settings lists what is set in m of what a caller decides, without secrets.
func settings(m proto.Message) []setting {
	var out []setting
	walk(m.ProtoReflect(), "", func(path, value string, secret bool) {
		if !secret {
			out = append(out, setting{path, value})
		}
	})
	return out
}

// secrets lists the paths of the secrets that are set in m.
func secrets(m proto.Message) []string {
	var out []string
	walk(m.ProtoReflect(), "", func(path, _ string, secret bool) {
		if secret {
			out = append(out, path)
		}
	})
	return out
}

// compare returns what is different in after.
func compare(before, after []setting) []FieldChange {
	former := make(map[string]string, len(before))
	for _, s := range before {
		former[s.path] = s.value
	}
	var out []FieldChange
	for _, s := range after {
		if old, ok := former[s.path]; !ok || old != s.value {
			out = append(out, FieldChange{Path: s.path, Old: old, New: s.value})
		}
		delete(former, s.path)
	}
	for _, s := range before {
		if old, ok := former[s.path]; ok {
			out = append(out, FieldChange{Path: s.path, Old: old})
		}
	}
	return out
}

// walk calls visit with every set field that a caller decides.
func walk(m protoreflect.Message, prefix string, visit func(path, value string, secret bool)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !writable(fd) || !m.Has(fd) {
			continue
		}
		path, value := join(prefix, fd.JSONName()), m.Get(fd)
		switch {
		case fd.IsMap():
			walkMap(value.Map(), fd, path, visit)
		case fd.IsList() && fd.Message() != nil:
			walkList(value.List(), path, visit)
		case fd.IsList():
			visit(path, listText(value.List(), fd), false)
		case fd.Message() != nil && !isDuration(value.Message()):
			walk(value.Message(), path, visit)
		default:
			visit(path, text(value, fd), hidden(m, fd))
		}
	}
}

func walkMap(entries protoreflect.Map, fd protoreflect.FieldDescriptor, path string, visit func(path, value string, secret bool)) {
	for _, key := range sortedKeys(entries) {
		visit(path+"["+key.String()+"]", text(entries.Get(key), fd.MapValue()), false)
	}
}

// walkList names the elements by what identifies them, so that one more at the front does not seem to change all.
func walkList(list protoreflect.List, path string, visit func(path, value string, secret bool)) {
	taken := map[string]bool{}
	for i := range list.Len() {
		element := list.Get(i).Message()
		label := identity(element)
		if label == "" || taken[label] {
			label = strconv.Itoa(i)
		}
		taken[label] = true
		walk(element, path+"["+label+"]", visit)
	}
}

func identity(m protoreflect.Message) string {
	for _, name := range []protoreflect.Name{"id", "key"} {
		if fd := m.Descriptor().Fields().ByName(name); fd != nil && fd.Kind() == protoreflect.StringKind {
			return m.Get(fd).String()
		}
	}
	return ""
}

func listText(list protoreflect.List, fd protoreflect.FieldDescriptor) string {
	parts := make([]string, list.Len())
	for i := range parts {
		parts[i] = text(list.Get(i), fd)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func text(value protoreflect.Value, fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		if known := fd.Enum().Values().ByNumber(value.Enum()); known != nil {
			return string(known.Name())
		}
		return strconv.Itoa(int(value.Enum()))
	case protoreflect.MessageKind:
		if duration, ok := value.Message().Interface().(*durationpb.Duration); ok {
			return duration.AsDuration().String()
		}
		return value.String()
	case protoreflect.StringKind:
		if plain := value.String(); plain != "" && !strings.ContainsFunc(plain, needsQuotes) {
			return plain
		}
		return strconv.Quote(value.String())
	default:
		return value.String()
	}
}

// needsQuotes keeps a value on its line and the terminal in its state.
func needsQuotes(r rune) bool { return !strconv.IsPrint(r) }

func isDuration(m protoreflect.Message) bool {
	_, ok := m.Interface().(*durationpb.Duration)
	return ok
}
