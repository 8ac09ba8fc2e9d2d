// Command proto makes Go of a .proto file, as protoc and its plugins would: a machine needs Go alone for it. It runs in
// the folder of the file, and writes beside it.
//
//	go run -C tools ./proto ../services/pay/paypb pay.proto
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins make Go of what the file says. Each is a tool of this module, in the version that go.mod names, and has
// parameters of its own.
var plugins = []struct{ name, parameter string }{
	{"protoc-gen-go", "paths=source_relative"},
	{"protoc-gen-connect-go", "paths=source_relative,simple,package_suffix"},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: proto FOLDER FILE")
		os.Exit(2)
	}
	if err := generate(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate compiles a file, and gives it to each plugin.
func generate(ctx context.Context, folder, file string) error {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{folder}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, file)
	if err != nil {
		return err
	}
	all := descriptors(files[0], nil)
	for _, plugin := range plugins {
		request := &pluginpb.CodeGeneratorRequest{
			FileToGenerate: []string{file}, Parameter: &plugin.parameter, ProtoFile: all,
		}
		if err := run(ctx, plugin.name, request, folder); err != nil {
			return fmt.Errorf("%s: %w", plugin.name, err)
		}
	}
	return nil
}

// descriptors are those of a file and of all it imports, what is imported first.
func descriptors(file protoreflect.FileDescriptor, all []*descriptorpb.FileDescriptorProto,
) []*descriptorpb.FileDescriptorProto {
	for i := range file.Imports().Len() {
		all = descriptors(file.Imports().Get(i).FileDescriptor, all)
	}
	for _, known := range all {
		if known.GetName() == file.Path() {
			return all
		}
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

// run gives a plugin its request, and writes the files that it answers.
func run(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest, folder string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(in), os.Stderr
	out, err := command.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, file := range response.GetFile() {
		name := filepath.Join(folder, filepath.Base(file.GetName()))
		if err := os.WriteFile(name, []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
