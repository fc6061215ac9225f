//! The build side: recipes become signed, published role trees.
