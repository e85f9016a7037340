//! Runs the example `hybrid_search` as a user does, against a real server.

use super::support::example::cargo_run;
use super::support::folder::Folder;

const FOUND: &str = "\
168 texts

Position of the expected text (-: not among the first ten)
                                            vectors    words   hybrid
  guttenburgs bibels                              6        -        6
  shone gust                                      3        2        1
  diabetics and insuline                          1        1        1
  microwaive meltin chocolat                      2        -        2
  coelacanths in trawlers' nets                   3        1        1
  tombough plates blinking comparater             1        1        1
  hieroglyphics deciphered by Champolion          1        1        1
  clarinettes and a saxofone                      2        -        2
  LGM-1                                           -        1        7
  Z3                                              -        1        1
  Pele 5-2                                        -        1        3
  MIDI 1983                                       2        1        2
  1983 cup lost                                   6        1        3
  the wall of Berlinn fell                        1        3        1
  61 Cygni                                        1        1        1
  cloning sheep                                   -        1        1

Out of 16 questions
  first                                           5       11        9
  among the first three                          10       13       14

Z3: only the words find it
  vectors  Sushi on a Conveyor Belt; Ole Rømer and the Speed of Light
  words    Zuse's Z3 in Berlin
  hybrid   Zuse's Z3 in Berlin; Sushi on a Conveyor Belt

microwaive meltin chocolat: only the vectors find it
  vectors  Noise From the Early Universe; Spencer and the Microwave
  words    nothing
  hybrid   Noise From the Early Universe; Spencer and the Microwave

shone gust: only both together put the guest star first
  vectors  Bikila Runs Barefoot; The Rite of Spring
  words    The Vasa Sinks; The Guest Star of 1054
  hybrid   The Guest Star of 1054; The Vasa Sinks

won the gold medal  (since 1900, no history, the best of each subject)
  sports     Zátopek's Three Gold Medals
  computing  The Demo With the Mouse
  biology    Scissors Called CRISPR
  geography  First to Climb Everest

The client evaluated the searches.
";

#[test]
fn words_and_vectors_together_find_what_one_side_misses() {
    // With the features that these tests are built with, so that nothing is built again.
    let options = ["--all-features", "--example", "hybrid_search"];
    let output = cargo_run(&options, &Folder::new(), &[]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), FOUND);
}
