package manifest

import (
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

const (
	// maxNodes bounds what aliases can make of a small text.
	maxNodes = 200_000
	maxDepth = 32
)

// follow returns the node that an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	for range maxDepth {
		if node.Kind != yaml.AliasNode {
			break
		}
		node = node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// message reads the fields of m.
func (d *documentReader) message(node *yaml.Node, m protoreflect.Message, path string) {
	if !d.enter(node, path, yaml.MappingNode, "a mapping of its fields") {
		return
	}
	seen := map[string]bool{}
	referenced := false
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], follow(node.Content[i+1])
		at := join(path, key.Value)
		fd := m.Descriptor().Fields().ByJSONName(key.Value)
		switch {
		case fd == nil:
			d.fail(key, at, "no such field; there are %s", fieldNames(m.Descriptor()))
			continue
		case !writable(fd):
			d.fail(key, at, "is set by the server and cannot be declared")
			continue
		case seen[key.Value]:
			d.fail(key, at, "given twice")
			continue
		case isNull(value):
			seen[key.Value] = true
			continue
		}
		seen[key.Value] = true
		if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			if other := m.WhichOneof(oneof); other != nil {
				d.fail(key, at, "excludes %s: only one of them can be set", other.JSONName())
				continue
			}
		}
		referenced = d.field(value, m, fd, at) || referenced
	}
	if parameter, ok := m.Interface().(*connectionv1.HttpParameter); ok {
		d.parameter(node, parameter, path, referenced, seen["secret"])
	}
}

// parameter settles whether a parameter is a secret.
func (d *documentReader) parameter(node *yaml.Node, p *connectionv1.HttpParameter, path string, referenced, decided bool) {
	switch {
	case referenced && !decided:
		p.Secret = true
	case !referenced && p.GetSecret() && p.GetValue() != "":
		d.plainSecret(node, join(path, "value"))
	}
}

// enter checks the form of a node before its content is read.
func (d *documentReader) enter(node *yaml.Node, path string, kind yaml.Kind, wants string) bool {
	if *d.nodes++; *d.nodes > maxNodes {
		if *d.nodes == maxNodes+1 {
			d.fail(node, path, "more than %d values in one manifest", maxNodes)
		}
		return false
	}
	if node.Kind != kind {
		d.fail(node, path, "wants %s", wants)
		return false
	}
	return true
}

// field reads one field of m and reports whether its value came from elsewhere.
func (d *documentReader) field(node *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) (referenced bool) {
	switch {
	case fd.IsMap():
		d.entries(node, m, fd, path)
	case fd.IsList():
		d.list(node, m, fd, path)
	case fd.Message() != nil:
		value := m.NewField(fd)
		if d.content(node, value.Message(), path) {
			m.Set(fd, value)
		}
	case referable(fd) && node.Kind == yaml.MappingNode:
		if text, ok := d.valueFrom(node, path); ok {
			m.Set(fd, protoreflect.ValueOfString(text))
		}
		return true
	default:
		if value, ok := d.scalar(node, fd, path); ok {
			m.Set(fd, value)
			switch {
			case !writeOnly(fd):
			case value.String() == "":
				d.emptied = append(d.emptied, path)
			default:
				d.plainSecret(node, path)
			}
		}
	}
	return false
}

// content reads a message that is a field's value.
func (d *documentReader) content(node *yaml.Node, m protoreflect.Message, path string) bool {
	duration, ok := m.Interface().(*durationpb.Duration)
	if !ok {
		d.message(node, m, path)
		return true
	}
	if !d.enter(node, path, yaml.ScalarNode, "a duration such as 30s or 1h") {
		return false
	}
	value, err := time.ParseDuration(node.Value)
	if err != nil {
		d.fail(node, path, "%q is not a duration such as 30s or 1h", node.Value)
		return false
	}
	duration.Seconds, duration.Nanos = int64(value/time.Second), int32(value%time.Second)
	return true
}

func (d *documentReader) list(node *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) {
	if !d.enter(node, path, yaml.SequenceNode, "a list") {
		return
	}
	list := m.NewField(fd).List()
	for i, item := range node.Content {
		item = follow(item)
		at := path + "[" + strconv.Itoa(i) + "]"
		if fd.Message() != nil {
			element := list.NewElement()
			if d.content(item, element.Message(), at) {
				list.Append(element)
			}
		} else if value, ok := d.scalar(item, fd, at); ok {
			list.Append(value)
		}
	}
	m.Set(fd, protoreflect.ValueOfList(list))
}

// entries reads a map with text keys and scalar values; the contracts have no other.
func (d *documentReader) entries(node *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) {
	if !d.enter(node, path, yaml.MappingNode, "a mapping") {
		return
	}
	entries := m.NewField(fd).Map()
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		at := path + "[" + key.Value + "]"
		mapKey := protoreflect.ValueOfString(key.Value).MapKey()
		if entries.Has(mapKey) {
			d.fail(key, at, "given twice")
		} else if value, ok := d.scalar(follow(node.Content[i+1]), fd.MapValue(), at); ok {
			entries.Set(mapKey, value)
		}
	}
	m.Set(fd, protoreflect.ValueOfMap(entries))
}

// scalar reads a single value of the field's type. Values of secrets are not repeated in errors.
func (d *documentReader) scalar(node *yaml.Node, fd protoreflect.FieldDescriptor, path string) (protoreflect.Value, bool) {
	wants := "text"
	switch fd.Kind() {
	case protoreflect.StringKind:
		hint := wants
		if fd.Name() == "event_pattern" {
			hint = `JSON text: quote it, or write it as a block after "|"`
		} else if referable(fd) {
			hint = "text, or valueFrom with env or file"
		}
		if !d.enter(node, path, yaml.ScalarNode, hint) {
			return protoreflect.Value{}, false
		}
		if node.ShortTag() == "!!str" {
			return protoreflect.ValueOfString(d.complete(fd, node.Value)), true
		}
		wants = "text: put it in quotes"
	case protoreflect.BoolKind:
		wants = "true or false"
		if node.ShortTag() == "!!bool" {
			return protoreflect.ValueOfBool(node.Value == "true" || node.Value == "True" || node.Value == "TRUE"), true
		}
	case protoreflect.Int32Kind:
		wants = "a whole number"
		var number int32
		if node.ShortTag() == "!!int" && node.Decode(&number) == nil {
			return protoreflect.ValueOfInt32(number), true
		}
	case protoreflect.EnumKind:
		wants = "one of " + valueNames(fd.Enum())
		if value := fd.Enum().Values().ByName(protoreflect.Name(node.Value)); value != nil && value.Number() != 0 {
			return protoreflect.ValueOfEnum(value.Number()), true
		}
	default:
		wants = "nothing: a manifest cannot hold a " + fd.Kind().String()
	}
	d.fail(node, path, "wants %s", wants)
	return protoreflect.Value{}, false
}

// complete makes resource names of mere ids, in fields that refer to other resources.
func (d *documentReader) complete(fd protoreflect.FieldDescriptor, text string) string {
	switch fd.FullName() {
	case new(deliveryv1.Destination).ProtoReflect().Descriptor().FullName().Append("connection"):
		return d.reference(text, d.project, "connections")
	case new(deliveryv1.Target).ProtoReflect().Descriptor().FullName().Append("destination"):
		return d.reference(text, d.project, "destinations")
	}
	return text
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
