#include <lotar/data/image_list.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

using Labels = std::vector<std::int32_t>;
using Names = std::vector<std::string>;

/// A folder of empty files; no test here opens them.
struct Tree : ScratchFolder {
  explicit Tree(const Names& files) {
    for (const std::string& file : files) add(file);
  }
  void add(const std::string& file, const std::string& content = "") const {
    std::filesystem::create_directories(std::filesystem::path(*this / file).parent_path());
    write_bytes(*this / file, content);
  }
  /// Paths from the folder.
  Names relative(const ImageList& list) const {
    Names names;
    for (const std::string& path : list.paths) {
      REQUIRE(path.starts_with(*this / ""));
      names.push_back(path.substr((*this / "").size()));
    }
    return names;
  }
  std::string refusal(Part part) const {
    try {
      list_images(path(), part);
    } catch (const IoError& error) {
      return error.what();
    }
    return "read";
  }
};

static const Names small = {"train/ant/1.jpg", "train/bee/1.jpg", "test/ant/1.jpg", "test/bee/1.jpg"};

TEST_CASE("class folders: classes and files in byte order, whatever the case of extensions") {
  const Tree tree({"train/bee/b.jpeg", "train/bee/a.png", "train/bee/B.JPG", "train/Cat/10.jpg", "train/Cat/9.PnG",
                   "train/ant/x.jpg", "train/ant/.hidden", "train/.hidden/x", "test/ant/t.png", "test/bee/t.png",
                   "test/Cat/t.png"});
  const ImageList train = list_images(tree.path(), Part::train);
  CHECK(train.classes == Names{"Cat", "ant", "bee"});
  CHECK(tree.relative(train) == Names{"train/Cat/10.jpg", "train/Cat/9.PnG", "train/ant/x.jpg", "train/bee/B.JPG",
                                      "train/bee/a.png", "train/bee/b.jpeg"});
  CHECK(train.labels == Labels{0, 0, 1, 2, 2, 2});
  const ImageList test = list_images(tree.path(), Part::test);
  CHECK(test.classes == train.classes);
  CHECK(tree.relative(test) == Names{"test/Cat/t.png", "test/ant/t.png", "test/bee/t.png"});
  CHECK(test.labels == Labels{0, 1, 2});
}

TEST_CASE("val stands in for test where there is no test") {
  const Tree tree({"train/ant/1.jpg", "val/ant/v.jpg"});
  CHECK(tree.relative(list_images(tree.path(), Part::test)) == Names{"val/ant/v.jpg"});
  tree.add("test/ant/t.jpg");
  CHECK(tree.relative(list_images(tree.path(), Part::test)) == Names{"test/ant/t.jpg"});
}

TEST_CASE("list files: the last space ends the path, and they go before folders") {
  const Tree tree(small);
  tree.add("img/two words.jpg");
  tree.add("val.txt", "train/ant/1.jpg 1\nimg/two words.jpg 0\n");
  tree.add("train.txt", "train/bee/1.jpg 0\r\nimg/two words.jpg 2\ntrain/ant/1.jpg 1");
  const ImageList train = list_images(tree.path(), Part::train);
  CHECK(train.classes == Names{"0", "1", "2"});
  CHECK(tree.relative(train) == Names{"train/bee/1.jpg", "img/two words.jpg", "train/ant/1.jpg"});
  CHECK(train.labels == Labels{0, 2, 1});
  CHECK(tree.refusal(Part::test) == tree / "val.txt: class 2 of 3 has no images");
  tree.add("test.txt", "img/two words.jpg 2\ntrain/ant/1.jpg 1\nimg/two words.jpg 0\n");
  const ImageList test = list_images(tree.path(), Part::test);
  CHECK(test.labels == Labels{2, 1, 0});
  CHECK(test.classes == train.classes);
}

TEST_CASE("links may lead about inside the folder, and the folder may be one") {
  const Tree tree({"all/a.jpg", "train/ant/1.jpg"});
  std::filesystem::create_symlink("../../all/a.jpg", tree / "train/ant/2.jpg");
  std::filesystem::create_directory_symlink("ant", tree / "train/bee");
  std::filesystem::create_directory_symlink(tree.path(), tree / "link");
  const ImageList list = list_images(tree / "link", Part::train);
  CHECK(list.classes == Names{"ant", "bee"});
  CHECK(tree.relative(list) == Names{"train/ant/1.jpg", "train/ant/2.jpg", "train/bee/1.jpg", "train/bee/2.jpg"});
}

TEST_CASE("folders that are not a data set are refused") {
  CHECK_THROWS_WITH_AS(list_images("/nowhere/at all", Part::train), "/nowhere/at all: wanted a folder of images",
                       IoError);
  const Tree tree({"other/x.jpg"});
  CHECK(tree.refusal(Part::train) == tree.path() +
                                         ": no images here: wanted train/CLASS/*.jpg and test/CLASS/*.jpg "
                                         "(or .png), or train.txt and test.txt with lines \"relative/path label\"");
  std::filesystem::create_directory(tree / "train");
  CHECK(tree.refusal(Part::train) == tree / "train: wanted a folder for each class, it is empty");
  tree.add("train/ant/1.jpg");
  CHECK(tree.refusal(Part::train) == "read");
  CHECK(tree.refusal(Part::test) == tree.path() + ": no test images here: wanted test or val beside train");
  tree.add("test/ant/1.jpg");
  tree.add("test/bee/1.jpg");
  CHECK(tree.refusal(Part::test) == tree / "test: wanted the classes of train, but \"bee\" is in one of the two only");
  std::filesystem::create_directory(tree / "train/bee");
  CHECK(tree.refusal(Part::train) == tree / "train/bee: a class without images: wanted .jpg, .jpeg or .png files");
  tree.add("train/bee/notes.txt");
  CHECK(tree.refusal(Part::train) == tree / "train/bee/notes.txt: wanted a .jpg, .jpeg or .png file");
  tree.add("train/classes.csv");
  CHECK(tree.refusal(Part::train) == tree / "train/classes.csv: wanted the folder of a class");
}

TEST_CASE("class folders whose names are not text are refused") {
  const Tree tree({"train/caf\xe9/1.jpg"});
  CHECK(tree.refusal(Part::train).ends_with("wanted the name of a class in UTF-8"));
  const Tree french({"train/caf\xc3\xa9/1.jpg"});
  CHECK(french.refusal(Part::train) == "read");
}

TEST_CASE("paths out of the folder are refused") {
  const Tree outside({"secret.jpg"}), tree(small);
  std::filesystem::create_symlink(outside / "secret.jpg", tree / "train/ant/2.jpg");
  CHECK(tree.refusal(Part::train) == tree / "train/ant: \"train/ant/2.jpg\" leads out of the folder of the data set");
  std::filesystem::create_directory_symlink(outside.path(), tree / "out");
  const auto listed = [&](const std::string& path) {
    tree.add("train.txt", "train/bee/1.jpg 0\n" + path + " 0\n");
    return tree.refusal(Part::train);
  };
  const std::string line = tree / "train.txt: line 2: ";
  const std::string not_below = " is not a path below the folder of the data set";
  CHECK(listed("out/secret.jpg") == line + "\"out/secret.jpg\" leads out of the folder of the data set");
  CHECK(listed(tree / "train/bee/1.jpg") == line + "\"" + (tree / "train/bee/1.jpg") + "\"" + not_below);
  CHECK(listed("train/../train/bee/1.jpg") == line + "\"train/../train/bee/1.jpg\"" + not_below);
  CHECK(listed("..") == line + "\"..\"" + not_below);
  CHECK(listed("") == line + "\"\"" + not_below);
  CHECK(listed("train/bee/9.jpg") == line + "\"train/bee/9.jpg\" is missing");
  std::filesystem::create_symlink("loop", tree / "loop");
  CHECK(listed("loop") == line + "\"loop\" cannot be found: Too many levels of symbolic links");
  CHECK(listed("train/bee/1.jpg/2.jpg") == line + "\"train/bee/1.jpg/2.jpg\" cannot be found: Not a directory");
  // a folder beside the root whose name begins like it
  std::filesystem::create_directory(tree / "root");
  tree.add("root2/x.jpg");
  std::filesystem::create_symlink("../root2/x.jpg", tree / "root/x.jpg");
  tree.add("root/train.txt", "x.jpg 0\n");
  CHECK_THROWS_AS(list_images(tree / "root", Part::train), IoError);
}

TEST_CASE("lines that are not a path and a label are refused") {
  const Tree tree(small);
  const auto listed = [&](const std::string& lines) {
    tree.add("train.txt", lines);
    return tree.refusal(Part::train);
  };
  const std::string file = tree / "train.txt", image = "train/ant/1.jpg",
                    form = "wanted a path, a space and a label, got ";
  CHECK(listed("") == file + ": line 1: " + form + "\"\"");
  CHECK(listed(image + " 0\n\n" + image + " 1\n") == file + ": line 2: " + form + "\"\"");
  CHECK(listed(image) == file + ": line 1: " + form + "\"" + image + "\"");
  CHECK(listed(image + " ") == file + ": line 1: " + form + "\"" + image + " \"");
  CHECK(listed(image + "\t0") == file + ": line 1: " + form + "\"" + image + "\t0\"");
  for (const char* label : {"one", "1x", "+1", "0.5", "99999999999999999999", "0\r"})
    CHECK(listed(image + " " + label + "\r\n") == file + ": line 1: " + form + "\"" + image + " " + label + "\"");
  CHECK(listed(image + " -1\n") == file + ": line 1: wanted a label of 0 to 0, got -1");
  CHECK(listed(image + " 0\n" + image + " 2\n") == file + ": line 2: wanted a label of 0 to 1, got 2");
  CHECK(listed(image + " 0\n" + image + " 2\n" + image + " 2\n") == file + ": class 1 of 3 has no images");
  CHECK(listed(std::string(4095, 'x') + " 0\n") == file + ": line 1: wanted at most 4096 bytes, got 4097");
  CHECK(listed(std::string("a\0b 0\n", 6)).starts_with(file + ": line 1: " + form));
  tree.add("test.txt", image + " 0\n" + image + " 2\n");
  listed(image + " 0\n" + image + " 1\n");
  CHECK(tree.refusal(Part::test) == tree / "test.txt: line 2: wanted a label of 0 to 1, got 2");
}

TEST_CASE("a list file cut short or changed is read or refused") {
  const Tree tree(small);
  const std::string list = "train/ant/1.jpg 0\ntrain/bee/1.jpg 1\ntest/ant/1.jpg 0\n";
  std::size_t read = 0, refused = 0;
  const auto listed = [&](const std::string& lines) {
    tree.add("train.txt", lines);
    ++(tree.refusal(Part::train) == "read" ? read : refused);
  };
  for (std::size_t at = 0; at < list.size(); ++at) {
    listed(list.substr(0, at));
    for (const char c : {'\0', '\n', ' ', '/', '.', '9', '\xff'}) {
      std::string changed = list;
      changed[at] = c;
      listed(changed);
    }
  }
  CHECK(refused > 6 * list.size());
  CHECK(read > 3);  // lists cut between lines
}
